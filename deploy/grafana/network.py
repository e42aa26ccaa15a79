"""The boards of more than one centre, and of the night of the peak."""

from deploy.grafana.centre import EXCEPTIONS, NOT_EXCEPTIONS, PER_HOUR, RECIRCULATION
from deploy.grafana.machinery import ANSWER_TIME
from deploy.grafana.model import Board, Panel, Query, Text

NETWORK = Board(
    "network",
    Text("Network of centres", "分拣网络"),
    Text("All centres beside each other; choose one to go on.", "各中心并列；选择一个继续查看。"),
    (
        Panel(
            Text("Pieces per hour", "每小时件数"),
            Text("Healthy: each centre near its hour's usual.", "正常：各中心接近该时段平常值。"),
            (
                Query("sum by (site) (rate(sorter_pieces_inducted_total{S}[$__rate_interval]))"
                      " * 3600", "{{site}}"),
            ),
            PER_HOUR, width=12,
        ),
        Panel(
            Text("Pieces today", "近 24 小时件数"),
            Text("Inducted in 24 hours. Healthy: as planned.", "24 小时内供件。正常：符合计划。"),
            (Query("sum by (site) (increase(sorter_pieces_inducted_total{S}[1d]))", "{{site}}"),),
            kind="stat", width=12,
        ),
        Panel(
            Text("Scans read", "读码率"),
            Text("Healthy: 98 % and more everywhere.", "正常：各处 98% 及以上。"),
            (
                Query(
                    'sum by (site) (rate(sorter_scans_total{S,result="read"}[$__rate_interval])) / '
                    "(sum by (site) "
                    '(rate(sorter_scans_total{S,result=~"read|no_read"}[$__rate_interval])) > 0)',
                    "{{site}}",
                ),
            ),
            "percentunit", bad_below=0.98,
        ),
        Panel(
            Text("Exceptions", "异常件比例"),
            Text("Healthy: below 3 % everywhere.", "正常：各处低于 3%。"),
            (
                Query(
                    "sum by (site) (rate(sorter_disposition_pieces_ended_total{S,"
                    f'disposition!~"{NOT_EXCEPTIONS}"}}[$__rate_interval])) / (sum by (site) '
                    "(rate(sorter_disposition_pieces_ended_total{S}[$__rate_interval])) > 0)",
                    "{{site}}",
                ),
            ),
            "percentunit", bad_from=0.03,
        ),
        Panel(
            Text("Answers too late, 10 min", "迟到应答（10 分钟）"),
            Text("Healthy: 0 everywhere.", "正常：各处为 0。"),
            (Query("sum by (site) (increase(sorter_deadline_misses_total{S}[10m]))", "{{site}}"),),
            bad_from=1,
        ),
        Panel(
            Text("Lines without PLC", "PLC 断开的线数"),
            Text("Healthy: 0 everywhere.", "正常：各处为 0。"),
            (Query("sum by (site) (1 - sorter_plc_connected{S})", "{{site}}"),),
            kind="stat", bad_from=1,
        ),
        Panel(
            Text("Pieces unexplained", "账目不符件数"),
            Text("Healthy: 0 everywhere.", "正常：各处为 0。"),
            (Query('sum by (site) (abs(sorter_ledger_pieces{S,term="unexplained"}))', "{{site}}"),),
            kind="stat", bad_from=1,
        ),
        Panel(
            Text("Database lag", "数据库滞后"),
            Text("Healthy: below 5 s everywhere.", "正常：各处低于 5 秒。"),
            (Query("sorter_recorder_lag_seconds{S}", "{{site}}"),),
            "s", bad_from=60,
        ),
        Panel(
            Text("Up", "在线"),
            Text("Healthy: every centre up; a centre without a row is not scraped.",
                 "正常：各中心在线；没有行的中心未被采集。"),
            (Query("sorter_line_process_up{S}", "{{site}}"),),
            kind="states",
            states=((0, Text("down", "停"), "red"), (1, Text("up", "在线"), "green")),
        ),
    ),
)  # fmt: skip

PEAK = Board(
    "peak",
    Text("11 November", "双十一"),
    Text(
        "The night of the peak: how far from the limits, and which limit comes first.",
        "高峰之夜：离极限还有多远，先到哪个极限。",
    ),
    (
        Panel(
            Text("Pieces within 24 h", "24 小时件数"),
            Text("Healthy: on the forecast's curve.", "正常：与预测曲线一致。"),
            (Query("sum(increase(sorter_pieces_inducted_total{L}[1d]))", ""),),
            kind="stat", width=6, height=5,
        ),
        Panel(
            Text("Pieces per hour now", "当前每小时件数"),
            Text("Healthy: below what the lines were built for.", "正常：低于设计能力。"),
            (Query("sum(rate(sorter_pieces_inducted_total{L}[5m])) * 3600", ""),),
            PER_HOUR, "stat", 6, 5,
        ),
        Panel(
            Text("Highest hour's rate of the day", "当日最高时速"),
            Text(
                "Healthy: as forecast; far above now, the peak is behind.",
                "正常：与预测一致；远高于当前值说明高峰已过。",
            ),
            (
                Query("sum(max_over_time(sorter:site_pieces_inducted:rate5m{S}[1d])) * 3600", ""),
            ),
            PER_HOUR, "stat", 6, 5,
        ),
        Panel(
            Text("Least slack, 1 in 1,000", "千分之一最小余量"),
            Text("Healthy: above 100 ms. The first limit to look at.",
                 "正常：高于 100 毫秒。首先要看的极限。"),
            (
                Query(
                    "histogram_quantile(0.001, sum by (le) "
                    "(rate(sorter_answer_slack_seconds_bucket{L}[5m])))",
                    "",
                ),
            ),
            "s", "stat", 6, 5, bad_below=0.1,
        ),
        Panel(
            Text("Load of each line", "各线负荷"),
            Text(
                "Healthy: below the line's rated pieces per hour, with room for laps again.",
                "正常：低于额定时速，并为再循环留有余量。",
            ),
            (Query("sum by (line) (rate(sorter_pieces_inducted_total{L}[5m])) * 3600"),),
            PER_HOUR, width=12,
        ),
        Panel(
            Text("More comes than leaves", "进多于出"),
            Text(
                "Inductions minus ends an hour. Healthy: around 0; above it the sorter fills.",
                "每小时供件减出件。正常：在 0 附近；高于 0 则机上积件。",
            ),
            (
                Query(
                    "(sum by (line) (rate(sorter_pieces_inducted_total{L}[5m])) - "
                    "sum by (line) (rate(sorter_pieces_ended_total{L}[5m]))) * 3600"
                ),
            ),
            PER_HOUR, width=12,
        ),
        RECIRCULATION,
        Panel(
            Text("Chutes without room", "无空位格口比例"),
            Text("Healthy: below 10 %; bags are changed faster than they fill.",
                 "正常：低于 10%；换包快于装满。"),
            (Query("1 - avg by (line) (sorter_chute_available{L})"),),
            "percentunit", bad_from=0.1,
        ),
        EXCEPTIONS, ANSWER_TIME,
        Panel(
            Text("Behind in the database", "数据库落后"),
            Text("Healthy: below 60 s at the peak, falling after it.",
                 "正常：高峰时低于 60 秒，过后下降。"),
            (Query("sorter_recorder_lag_seconds{S}", "{{site}}"),),
            "s", bad_from=60,
        ),
        Panel(
            Text("Room in the journal's queue", "日志队列余量"),
            Text("Healthy: above 50 %.", "正常：高于 50%。"),
            (
                Query("1 - sorter_journal_waiting_batches{S} / "
                      "sorter_journal_waiting_batches_max{S}", "{{site}}"),
            ),
            "percentunit", bad_below=0.5,
        ),
    ),
    since="now-24h",
    refresh="30s",
)  # fmt: skip
