"""The boards of what is beneath a centre's pieces: PLC links, journal, store."""

from deploy.grafana.centre import PER_HOUR
from deploy.grafana.model import Board, Panel, Query, Text

ANSWER_TIME = Panel(
    Text("Answer latency", "应答延迟"),
    Text(
        "From a scan's arrival to the PLC's receipt. Healthy: 99 of 100 within 20 ms.",
        "从扫描到达到 PLC 收到指令。正常：百分之九十九在 20 毫秒内。",
    ),
    tuple(
        Query(
            f"histogram_quantile({share}, sum by (line, le) "
            "(rate(sorter_answer_seconds_bucket{L}[$__rate_interval])))",
            f"{{{{line}}}} {legend}",
        )
        for share, legend in (("0.5", "p50"), ("0.99", "p99"), ("0.999", "p99.9"))
    ),
    "s",
    bad_from=0.1,
)

PLC = Board(
    "plc",
    Text("PLC link and latency", "PLC 链路与延迟"),
    Text("How fast and how surely each PLC is answered.", "每台 PLC 应答的快慢与可靠。"),
    (
        Panel(
            Text("Connected", "连接"),
            Text(
                "Healthy: connected throughout. A cut of up to 8 s heals by itself.",
                "正常：一直连接。8 秒以内的中断会自行恢复。",
            ),
            (Query("sorter_plc_connected{L}"),),
            kind="states", width=12, height=6,
            states=(
                (0, Text("away", "断开"), "red"),
                (1, Text("connected", "已连接"), "green"),
            ),
        ),
        Panel(
            Text("State of the sorter", "分拣机状态"),
            Text(
                "As the PLC tells it, in PackML's words: held has its cause in the machine, "
                "suspended one from outside. Healthy: execute while pieces come.",
                "PLC 报告的状态，用 PackML 的词：held（保持）为设备自身原因，"
                "suspended（暂停）为外部原因。正常：有件时为 execute（运行）。",
            ),
            (Query("sorter_machine_state{L} == 1", "{{line}} {{state}}"),),
            kind="states", width=12, height=6,
            states=((1, Text("in it", "处于该状态"), "blue"),),
        ),
        ANSWER_TIME,
        Panel(
            Text("Answer latency, all", "应答延迟分布"),
            Text("Healthy: one narrow band.", "正常：一条窄带。"),
            (
                Query(
                    "sum by (le) (increase(sorter_answer_seconds_bucket{L}[$__rate_interval]))",
                    "{{le}}",
                ),
            ),
            "s", "heatmap",
        ),
        Panel(
            Text("Of it, the write", "其中写入"),
            Text(
                "From the decision to the PLC's receipt: network and PLC. Healthy: below 10 ms.",
                "从决策到 PLC 收到：网络与 PLC。正常：低于 10 毫秒。",
            ),
            (
                Query(
                    "histogram_quantile(0.99, sum by (line, le) "
                    "(rate(sorter_instruction_write_seconds_bucket{L}[$__rate_interval])))",
                    "{{line}} p99",
                ),
            ),
            "s", bad_from=0.05,
        ),
        Panel(
            Text("Reads of the PLC", "PLC 读取"),
            Text(
                "Healthy: near 1,000 / poll_period_ms a second; far fewer: the PLC answers slowly.",
                "正常：每秒接近 1000 / poll_period_ms 次；远少于此说明 PLC 应答慢。",
            ),
            (Query("sum by (line) (rate(sorter_plc_polls_total{L}[$__rate_interval]))"),),
            "reqps",
        ),
        Panel(
            Text("Events unread in the PLC", "PLC 中未读事件"),
            Text(
                "Healthy: a few; at the size of its ring the PLC loses events.",
                "正常：几个；达到环大小时 PLC 会丢事件。",
            ),
            (Query("sorter_plc_events_unread{L}"),),
        ),
        Panel(
            Text("What the PLC did with answers", "PLC 对应答的处理"),
            Text(
                "Healthy: accepted; a few refused_held after a restart, nothing else.",
                "正常：accepted；重启后有少量 refused_held，别无其他。",
            ),
            (
                Query(
                    "sum by (status) (rate(sorter_answers_total{L}[$__rate_interval])) * 3600",
                    "{{status}}",
                ),
            ),
            PER_HOUR,
        ),
        Panel(
            Text("Breaks and losses, 10 min", "中断与丢失（10 分钟）"),
            Text("Healthy: all 0.", "正常：全部为 0。"),
            (
                Query("sum by (line) (increase(sorter_plc_reconnects_total{L}[10m]))",
                      "{{line}} reconnects"),
                Query("sum by (line) (increase(sorter_plc_events_lost_total{L}[10m]))",
                      "{{line}} lost by the PLC"),
                Query("sum by (line) (increase(sorter_plc_events_missed_total{L}[10m]))",
                      "{{line}} missed"),
                Query("sum by (line) (increase(sorter_plc_instructions_dropped_total{L}[10m]))",
                      "{{line}} dropped"),
                Query("sum by (line) (increase(sorter_plc_slots_malformed_total{L}[10m]))",
                      "{{line}} malformed"),
            ),
            bad_from=1,
        ),
        Panel(
            Text("Sent to the default chute by the PLC", "PLC 送入默认格口"),
            Text("Healthy: near 0.", "正常：接近 0。"),
            (
                Query("sum by (line) (rate(sorter_plc_pieces_defaulted_total{L}"
                      "[$__rate_interval])) * 3600"),
            ),
            PER_HOUR,
        ),
        Panel(
            Text("Scanners beside the PLC", "PLC 旁的扫描器"),
            Text(
                "Healthy: connected throughout. A line whose codes come through its PLC has none.",
                "正常：一直连接。条码经由 PLC 的线没有此项。",
            ),
            (Query("sorter_scanner_connected{L}", "{{line}} {{scanner}}"),),
            kind="states",
            states=(
                (0, Text("away", "断开"), "red"),
                (1, Text("connected", "已连接"), "green"),
            ),
        ),
        Panel(
            Text("Pieces at scanners", "扫描器处的包裹"),
            Text(
                "Whether a result was surely theirs. Healthy: all tied; ambiguous and unanswered "
                "together below 2 %.",
                "扫描结果是否确属该件。正常：全部 tied（已对应）；"
                "ambiguous（不明确）与 unanswered（无结果）合计低于 2%。",
            ),
            (
                Query(
                    "sum by (line, scanner, result) "
                    "(rate(sorter_scanner_pieces_total{L}[$__rate_interval])) * 3600",
                    "{{line}} {{scanner}} {{result}}",
                ),
            ),
            PER_HOUR,
        ),
        Panel(
            Text("No-reads and losses of scanners, 10 min", "扫描器未读与丢失（10 分钟）"),
            Text(
                "Healthy: no-reads below 2 % of results, everything else 0.",
                "正常：未读低于结果的 2%，其余为 0。",
            ),
            (
                Query("sum by (line, scanner) (increase(sorter_scanner_no_reads_total{L}[10m]))",
                      "{{line}} {{scanner}} no-reads"),
                Query("sum by (line, scanner) (increase(sorter_scanner_gaps_total{L}[10m]))",
                      "{{line}} {{scanner}} gaps"),
                Query("sum by (line, scanner, cause) "
                      "(increase(sorter_scanner_results_dropped_total{L}[10m]))",
                      "{{line}} {{scanner}} {{cause}}"),
                Query("sum by (line, scanner) "
                      "(increase(sorter_scanner_results_malformed_total{L}[10m]))",
                      "{{line}} {{scanner}} malformed"),
                Query("sum by (line, scanner) "
                      "(increase(sorter_scanner_results_untimed_total{L}[10m]))",
                      "{{line}} {{scanner}} untimed"),
            ),
        ),
        Panel(
            Text("Epoch, and refusals for it", "纪元与拒绝"),
            Text(
                "Healthy: rises by 1 at a restart or takeover; refusals 0.",
                "正常：重启或接管时加 1；拒绝为 0。",
            ),
            (
                Query("sorter_plc_epoch{L}", "{{line}} epoch"),
                Query("increase(sorter_plc_epoch_refusals_total{L}[10m])", "{{line}} refusals"),
            ),
        ),
    ),
)  # fmt: skip

STORE = Board(
    "store",
    Text("Store and journal", "存储与日志"),
    Text("Whether everything that happens is kept, and soon.", "所发生的一切是否及时保存。"),
    (
        Panel(
            Text("Journal lag", "日志滞后"),
            Text("Healthy: below 0.1 s.", "正常：低于 0.1 秒。"),
            (Query("sorter_journal_lag_seconds{S}", "{{site}}"),),
            "s", bad_from=1,
        ),
        Panel(
            Text("Database lag", "数据库滞后"),
            Text(
                "Healthy: below 5 s. It grows while the database is slow or away; nothing is lost.",
                "正常：低于 5 秒。数据库慢或离线时增长；不丢任何记录。",
            ),
            (Query("sorter_recorder_lag_seconds{S}", "{{site}}"),),
            "s", bad_from=60,
        ),
        Panel(
            Text("Processes and database", "进程与数据库"),
            Text("Healthy: all up.", "正常：全部在线。"),
            (
                Query("sorter_line_process_up{S}", "{{site}} line"),
                Query("sorter_recorder_up{S}", "{{site}} recorder"),
                Query("sorter_recorder_connected{S}", "{{site}} database"),
                Query("sorter_journal_healthy{S}", "{{site}} journal"),
            ),
            kind="states",
            states=((0, Text("down", "停"), "red"), (1, Text("up", "在线"), "green")),
        ),
        Panel(
            Text("Batches that wait for the disk", "等待落盘的批次"),
            Text(
                "Share of what may wait. Healthy: below 10 %; at 100 % the PLC keeps its events.",
                "占上限比例。正常：低于 10%；100% 时事件留在 PLC。",
            ),
            (
                Query("sorter_journal_waiting_batches{S} / sorter_journal_waiting_batches_max{S}",
                      "{{site}}"),
            ),
            "percentunit", bad_from=0.5,
        ),
        Panel(
            Text("Commit of the journal", "日志提交"),
            Text(
                "Mean, and the slowest since the start. Healthy: mean below 10 ms.",
                "平均值与启动以来最慢值。正常：平均低于 10 毫秒。",
            ),
            (
                Query(
                    "rate(sorter_journal_commit_seconds_sum{S}[$__rate_interval]) / "
                    "(rate(sorter_journal_commit_seconds_count{S}[$__rate_interval]) > 0)",
                    "{{site}} mean",
                ),
                Query("sorter_journal_commit_max_seconds{S}", "{{site}} slowest"),
            ),
            "s", bad_from=0.1,
        ),
        Panel(
            Text("Journal written", "日志写入"),
            Text("Healthy: follows the load.", "正常：随负荷变化。"),
            (Query("rate(sorter_journal_written_bytes_total{S}[$__rate_interval])", "{{site}}"),),
            "Bps",
        ),
        Panel(
            Text("Journal failures and refusals, 10 min", "日志故障与拒绝（10 分钟）"),
            Text("Healthy: 0.", "正常：0。"),
            (
                Query("increase(sorter_journal_failures_total{S}[10m])", "{{site}} failures"),
                Query("increase(sorter_journal_refused_batches_total{S}[10m])", "{{site}} refused"),
            ),
            bad_from=1,
        ),
        Panel(
            Text("Rows recorded", "入库行数"),
            Text("Healthy: follows the load; higher while a backlog drains.",
                 "正常：随负荷变化；消化积压时更高。"),
            (Query("rate(sorter_recorder_rows_total{S}[$__rate_interval])", "{{site}}"),),
            "suffix: /s",
        ),
        Panel(
            Text("Rows of a transaction", "每事务行数"),
            Text("Healthy: tens to hundreds; thousands mean that it catches up.",
                 "正常：几十到几百；上千说明正在追赶。"),
            (
                Query(
                    "rate(sorter_recorder_rows_total{S}[$__rate_interval]) / "
                    "(rate(sorter_recorder_batches_total{S}[$__rate_interval]) > 0)",
                    "{{site}}",
                ),
            ),
        ),
        Panel(
            Text("Pauses of the garbage collector", "垃圾回收停顿"),
            Text(
                "Share of time, by process. Healthy: below 0.1 %.",
                "各进程所占时间比例。正常：低于 0.1%。",
            ),
            (
                Query("rate(sorter_gc_pause_seconds_sum{S}[$__rate_interval])",
                      "{{site}} {{process}}"),
            ),
            "percentunit", bad_from=0.001,
        ),
        Panel(
            Text("Longest pause since the start", "启动以来最长停顿"),
            Text("Healthy: line below 5 ms.", "正常：line 低于 5 毫秒。"),
            (Query("sorter_gc_pause_max_seconds{S}", "{{site}} {{process}}"),),
            "s",
        ),
        Panel(
            Text("Queues of the lines", "各线队列"),
            Text("Share of what may wait. Healthy: near 0.", "占上限比例。正常：接近 0。"),
            (Query("sorter_queue_length{L} / sorter_queue_length_max{L}", "{{line}} {{queue}}"),),
            "percentunit", bad_from=0.5,
        ),
    ),
)  # fmt: skip
