"""The boards of chutes and of pieces."""

from deploy.grafana.centre import EXCEPTIONS, NOT_EXCEPTIONS, PER_HOUR
from deploy.grafana.model import Board, Panel, Query, Text

CHUTES = Board(
    "chutes",
    Text("Chutes", "格口"),
    Text("How full chutes are, and how fast they fill.", "格口有多满，装得多快。"),
    (
        Panel(
            Text("Fill of each chute, $line", "各格口装载率，$line"),
            Text(
                "Pieces in it against what it holds. Healthy: rows rise and fall; one that stays "
                "bright is not emptied.",
                "格口内件数与容量之比。正常：各行升降交替；一直亮的格口没有清空。",
            ),
            (
                Query(
                    "sum by (chute) (sorter_chute_pieces{L}) / "
                    "sum by (chute) (sorter_chute_capacity_pieces{L})",
                    "{{chute}}",
                ),
            ),
            "percentunit", "rows", 24, 12,
        ),
        Panel(
            Text("Pieces per hour into each chute, $line", "各格口每小时落件，$line"),
            Text(
                "Healthy: the plan's pattern; a dark row among bright ones is closed or jammed.",
                "正常：符合方案分布；亮行之间的暗行表示格口关闭或堵塞。",
            ),
            (
                Query(
                    "sum by (chute) (rate(sorter_chute_discharged_total{L}[$__rate_interval])) "
                    "* 3600",
                    "{{chute}}",
                ),
            ),
            PER_HOUR, "rows", 24, 12,
        ),
        Panel(
            Text("Chutes by state", "格口状态数"),
            Text(
                "Healthy: open or emptied; blocked 0, full only for minutes.",
                "正常：open 或 emptied；blocked 为 0，full 只持续几分钟。",
            ),
            (Query("sum by (state) (sorter_chutes{L})", "{{state}}"),),
        ),
        Panel(
            Text("Ten fullest chutes", "最满的十个格口"),
            Text("Healthy: below 90 %.", "正常：低于 90%。"),
            (
                Query(
                    "topk(10, sorter_chute_pieces{L} / sorter_chute_capacity_pieces{L})",
                    "{{line}} {{chute}}",
                ),
            ),
            "percentunit", bad_from=0.9,
        ),
        Panel(
            Text("Next chutes to be full", "最先装满的格口"),
            Text(
                "Time left at the rate of the last 5 minutes. Healthy: longer than a change of bag "
                "takes.",
                "按最近 5 分钟速度装满所剩时间。正常：长于换包所需时间。",
            ),
            (
                Query(
                    "bottomk(10, (sorter_chute_capacity_pieces{L} - sorter_chute_pieces{L}) / "
                    "(rate(sorter_chute_discharged_total{L}[5m]) > 0))",
                    "{{line}} {{chute}}",
                ),
            ),
            "s",
        ),
        Panel(
            Text("Discharges that failed", "落格失败"),
            Text(
                "Healthy: mechanical below 1 in 1,000 pieces; full and closed near 0.",
                "正常：mechanical 低于千分之一；full 与 closed 接近 0。",
            ),
            (
                Query(
                    "sum by (line, cause) (rate(sorter_aborts_total{L}[$__rate_interval])) * 3600",
                    "{{line}} {{cause}}",
                ),
            ),
            PER_HOUR,
        ),
        Panel(
            Text("Room kept for pieces on their way", "在途预留"),
            Text(
                "Healthy: follows the load; what stays when nothing moves is a fault.",
                "正常：随负荷变化；无件移动时仍有预留即为故障。",
            ),
            (Query("sum by (line) (sorter_chute_reserved_pieces{L})"),),
        ),
        Panel(
            Text("Into a chute known as full or closed", "落入已知满或关闭的格口"),
            Text("Healthy: near 0.", "正常：接近 0。"),
            (
                Query(
                    "sum by (line) (increase(sorter_discharges_into_full_total{L}[10m]))",
                    "{{line}} full",
                ),
                Query(
                    "sum by (line) (increase(sorter_discharges_into_closed_total{L}[10m]))",
                    "{{line}} closed",
                ),
            ),
        ),
    ),
)  # fmt: skip

PIECES = Board(
    "pieces",
    Text("Pieces and exceptions", "件与异常"),
    Text("Why pieces went where they went.", "件为何去了那里。"),
    (
        Panel(
            Text("Share of exceptions", "异常件比例"),
            Text("Healthy: below 3 %.", "正常：低于 3%。"),
            (
                Query(
                    "sum by (line) (rate(sorter_disposition_pieces_ended_total{L,"
                    f'disposition!~"{NOT_EXCEPTIONS}"}}[$__rate_interval])) / (sum by (line) '
                    "(rate(sorter_disposition_pieces_ended_total{L}[$__rate_interval])) > 0)"
                ),
            ),
            "percentunit", bad_from=0.03,
        ),
        EXCEPTIONS,
        Panel(
            Text("Overflow", "溢流"),
            Text(
                "Routed pieces whose own chutes had no room. Healthy: below 1 %.",
                "自身格口无空位的路由件。正常：低于 1%。",
            ),
            (
                Query(
                    "sum by (line) (rate(sorter_disposition_pieces_ended_total{L,"
                    'disposition="overflow"}[$__rate_interval])) / (sum by (line) '
                    "(rate(sorter_disposition_pieces_ended_total{L}[$__rate_interval])) > 0)"
                ),
            ),
            "percentunit", bad_from=0.01,
        ),
        Panel(
            Text("Held pieces", "扣留件"),
            Text(
                "Healthy: what brands and customs announced; a jump is a change of pre-advice.",
                "正常：与品牌和海关通知一致；突增说明预报有变化。",
            ),
            (
                Query(
                    "sum by (disposition) (increase(sorter_disposition_pieces_ended_total{L,"
                    'disposition=~"intercepted|security_not_cleared|customs_not_released|'
                    'cold_chain_broken|damaged|overweight|oversize"}[1h]))',
                    "{{disposition}}",
                ),
            ),
        ),
        Panel(
            Text("Lost, removed, first heard of late", "丢失、取走、迟知"),
            Text(
                "Healthy: below 1 in 1,000 pieces; a peak follows a restart of a PLC.",
                "正常：低于千分之一；PLC 重启后会有一个峰值。",
            ),
            (
                Query(
                    "sum by (outcome) (increase(sorter_pieces_ended_total{L,"
                    'outcome=~"lost|removed"}[1h]))',
                    "{{outcome}}",
                ),
                Query("sum(increase(sorter_pieces_adopted_total{L}[1h]))", "adopted"),
            ),
        ),
        Panel(
            Text("Mis-sorts by cause", "错分原因"),
            Text(
                "Pieces that went elsewhere than first assigned. Healthy: timing 0, mechanical as "
                "many as met a full chute, the rest as on other days.",
                "未落入首次分配格口的件。正常：timing 为 0，mechanical 与遇到满格口的件数相当，"
                "其余与平日相同。",
            ),
            (
                Query(
                    "sum by (line, cause) (rate(sorter_missorts_total{L}[$__rate_interval])) "
                    "* 3600",
                    "{{line}} {{cause}}",
                ),
            ),
            PER_HOUR,
        ),
        Panel(
            Text("Must stay 0", "必须为 0"),
            Text(
                "Healthy: all 0. Anything else is a fault of the service or of a PLC.",
                "正常：全部为 0。否则即为服务或 PLC 的故障。",
            ),
            (
                Query("sum(sorter_pieces_sorted_elsewhere_total{L})", "sorted elsewhere"),
                Query("sum(sorter_answers_contradicted_total{L})", "contradicted"),
                Query("sum(sorter_pieces_untracked_total{L})", "untracked"),
                Query("sum(sorter_events_malformed_total{L})", "malformed"),
            ),
            bad_from=1,
        ),
        Panel(
            Text("Upstream host: answers", "上级主机：应答"),
            Text(
                "Healthy: in_time; late ones still serve the next chute or lap, unused serve none.",
                "正常：in_time；late 仍可用于后面的格口或下一圈，unused 无用。",
            ),
            (
                Query(
                    "sum by (result) (rate(sorter_upstream_answers_total{L}[$__rate_interval]))"
                    " * 3600",
                    "{{result}}",
                ),
            ),
            PER_HOUR,
        ),
        Panel(
            Text("Upstream host: failures", "上级主机：故障"),
            Text(
                "Healthy: 0. Pieces then go by the plan's chute for a late host.",
                "正常：0。否则件按方案走主机迟到格口。",
            ),
            (
                Query(
                    "sum by (cause) (increase(sorter_upstream_failures_total{S}[10m]))",
                    "{{cause}}",
                ),
                Query(
                    "sum(increase(sorter_upstream_pieces_unanswered_total{L}[10m]))", "unanswered"
                ),
            ),
            bad_from=1,
        ),
        Panel(
            Text("Upstream host: questions open", "上级主机：未答问题"),
            Text("Healthy: a few dozen, falling when nothing comes.", "正常：几十个，无件时下降。"),
            (Query("sorter_upstream_questions_in_flight{S}", "{{site}}"),),
        ),
    ),
)  # fmt: skip
