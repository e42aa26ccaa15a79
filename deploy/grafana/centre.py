"""The boards of a centre: its overview and its lines."""

from deploy.grafana.model import Board, Panel, Query, Text

PER_HOUR = "suffix: /h"
NOT_EXCEPTIONS = "none|routed|overflow|recirculated|awaiting_host"

THROUGHPUT = Panel(
    Text("Pieces per hour", "每小时件数"),
    Text(
        "Healthy: near the hour's usual; no line at 0 while its inductions run.",
        "正常：接近该时段平常值；供件运行时任何一条线都不为 0。",
    ),
    (Query("sum by (line) (rate(sorter_pieces_inducted_total{L}[$__rate_interval])) * 3600"),),
    PER_HOUR,
)
SLACK = Panel(
    Text("Slack of answers", "应答余量"),
    Text(
        "Time left to the deadline when the PLC held the answer. Healthy: 99 of 100 above 100 ms.",
        "PLC 拿到指令时距截止的时间。正常：百分之九十九的应答高于 100 毫秒。",
    ),
    tuple(
        Query(
            f"histogram_quantile({share}, sum by (line, le) "
            "(rate(sorter_answer_slack_seconds_bucket{L}[$__rate_interval])))",
            f"{{{{line}}}} {legend}",
        )
        for share, legend in (("0.01", "p1"), ("0.5", "p50"))
    ),
    "s",
    bad_below=0.1,
)
EXCEPTIONS = Panel(
    Text("Exceptions by reason", "异常件（按原因）"),
    Text(
        "Pieces that ended for a reason other than their route. Healthy: together below 3 %; one "
        "reason that rises alone names its cause.",
        "因路由以外的原因结束的件。正常：合计低于 3%；某一原因单独上升即指明原因。",
    ),
    (
        Query(
            "sum by (disposition) (rate(sorter_disposition_pieces_ended_total{L,"
            f'disposition!~"{NOT_EXCEPTIONS}"}}[$__rate_interval])) * 3600',
            "{{disposition}}",
        ),
    ),
    PER_HOUR,
)
RECIRCULATION = Panel(
    Text("Laps again per piece", "每件再循环圈数"),
    Text(
        "Healthy: below 0.05. It rises when chutes are full or closed, or answers come late.",
        "正常：低于 0.05。格口满、关闭或应答迟到时上升。",
    ),
    (
        Query(
            "sum by (line) (rate(sorter_laps_recirculated_total{L}[$__rate_interval])) / "
            "(sum by (line) (rate(sorter_pieces_inducted_total{L}[$__rate_interval])) > 0)"
        ),
    ),
    bad_from=0.05,
)

OVERVIEW = Board(
    "centre",
    Text("Centre overview", "中心总览"),
    Text(
        "The whole centre on one screen; red says where to look next.",
        "整个中心一屏总览；红色表示下一步该看哪里。",
    ),
    (
        THROUGHPUT._replace(
            kind="stat", width=4, height=5,
            queries=(
                Query("sum(rate(sorter_pieces_inducted_total{L}[$__rate_interval])) * 3600", ""),
            ),
        ),
        Panel(
            Text("Scans read", "读码率"),
            Text("Healthy: 98 % and more.", "正常：98% 及以上。"),
            (
                Query(
                    'sum(rate(sorter_scans_total{L,result="read"}[$__rate_interval])) / (sum('
                    'rate(sorter_scans_total{L,result=~"read|no_read"}[$__rate_interval])) > 0)',
                    "",
                ),
            ),
            "percentunit", "stat", 4, 5, bad_below=0.98,
        ),
        Panel(
            Text("Answers too late, 10 min", "迟到应答（10 分钟）"),
            Text("Healthy: 0.", "正常：0。"),
            (Query("sum(increase(sorter_deadline_misses_total{L}[10m]))", ""),),
            kind="stat", width=4, height=5, bad_from=1,
        ),
        Panel(
            Text("Pieces unexplained", "账目不符件数"),
            Text("Healthy: 0, always.", "正常：始终为 0。"),
            (Query('sum(abs(sorter_ledger_pieces{L,term="unexplained"}))', ""),),
            kind="stat", width=4, height=5, bad_from=1,
        ),
        Panel(
            Text("Chutes that take pieces", "可用格口比例"),
            Text("Healthy: 90 % and more.", "正常：90% 及以上。"),
            (Query("avg(sorter_chute_available{L})", ""),),
            "percentunit", "stat", 4, 5, bad_below=0.9,
        ),
        Panel(
            Text("PLCs that answer", "PLC 在线比例"),
            Text("Healthy: 100 %.", "正常：100%。"),
            (Query("avg(sorter_plc_connected{L})", ""),),
            "percentunit", "stat", 4, 5, bad_below=1,
        ),
        THROUGHPUT, SLACK, RECIRCULATION, EXCEPTIONS,
        Panel(
            Text("Not yet in journal and database", "尚未入日志与数据库"),
            Text(
                "Age of the oldest record. Healthy: journal below 0.1 s, database below 5 s.",
                "最旧记录的时间。正常：日志低于 0.1 秒，数据库低于 5 秒。",
            ),
            (
                Query("max by (site) (sorter_journal_lag_seconds{S})", "{{site}} journal"),
                Query("max by (site) (sorter_recorder_lag_seconds{S})", "{{site}} database"),
            ),
            "s", bad_from=60,
        ),
        Panel(
            Text("Alerts that fire", "正在触发的告警"),
            Text(
                "Healthy: 0. Each names its runbook.",
                "正常：0。每条告警都指明处置手册。",
            ),
            # None that fires has a series: their number then is 0.
            (Query('count(ALERTS{alertstate="firing"}) or vector(0)', ""),),
            kind="stat", bad_from=1,
        ),
    ),
)  # fmt: skip

LINE = Board(
    "line",
    Text("Line", "分拣线"),
    Text("One sorter line: what it takes in, reads, sorts.", "一条分拣线：供件、读码、分拣。"),
    (
        THROUGHPUT,
        Panel(
            Text("By induction station", "按供件台"),
            Text(
                "Healthy: stations in use share the load; none at 0 beside loaded ones.",
                "正常：在用供件台负荷均衡；其他台有件时没有一台为 0。",
            ),
            (
                Query(
                    "sum by (line, station) "
                    "(rate(sorter_station_pieces_inducted_total{L}[$__rate_interval])) * 3600",
                    "{{line}} {{station}}",
                ),
            ),
            PER_HOUR,
        ),
        Panel(
            Text("Pieces on the sorter", "在线件数"),
            Text(
                "Healthy: steady. A steady rise means that less leaves than comes.",
                "正常：平稳。持续上升说明出件少于进件。",
            ),
            (Query("sorter_pieces_in_flight{L}"),),
        ),
        Panel(
            Text("Scans by result", "扫描结果"),
            Text(
                "Healthy: no_read below 2 % of all; stale near 0.",
                "正常：no_read 低于 2%；stale 接近 0。",
            ),
            (
                Query(
                    "sum by (line, result) (rate(sorter_scans_total{L}[$__rate_interval])) * 3600",
                    "{{line}} {{result}}",
                ),
            ),
            PER_HOUR,
        ),
        Panel(
            Text("How pieces leave", "出件方式"),
            Text(
                "Healthy: all sorted but a few in 1,000; default_* and missed near 0.",
                "正常：除千分之几外均为 sorted；default_* 与 missed 接近 0。",
            ),
            (
                Query(
                    "sum by (outcome) (rate(sorter_pieces_ended_total{L}[$__rate_interval]))"
                    " * 3600",
                    "{{outcome}}",
                ),
            ),
            PER_HOUR,
        ),
        RECIRCULATION, SLACK,
        Panel(
            Text("Slack, all answers", "应答余量分布"),
            Text(
                "Healthy: one band well above 0; nothing in the lowest row (too late).",
                "正常：集中且明显高于 0；最低一行（迟到）为空。",
            ),
            (
                Query(
                    "sum by (le) (increase(sorter_answer_slack_seconds_bucket{L}"
                    "[$__rate_interval]))",
                    "{{le}}",
                ),
            ),
            "s", "heatmap",
        ),
        Panel(
            Text("Brands", "品牌"),
            Text(
                "Healthy: the day's usual shares; unknown below 3 %.",
                "正常：与当日平常份额一致；unknown 低于 3%。",
            ),
            (
                Query(
                    "sum by (brand) (rate(sorter_brand_pieces_ended_total{L}[$__rate_interval]))"
                    " * 3600",
                    "{{brand}}",
                ),
            ),
            PER_HOUR,
        ),
        Panel(
            Text("Service classes", "时效等级"),
            Text(
                "Healthy: the day's usual shares.",
                "正常：与当日平常份额一致。",
            ),
            (
                Query(
                    "sum by (service_class) "
                    "(rate(sorter_class_pieces_ended_total{L}[$__rate_interval])) * 3600",
                    "{{service_class}}",
                ),
            ),
            PER_HOUR,
        ),
        Panel(
            Text("Ledger", "件数账目"),
            Text(
                "Inducted = discharged + on sorter + removed + lost. Healthy: unexplained 0.",
                "供件 = 下件 + 在线 + 取走 + 丢失。正常：unexplained 为 0。",
            ),
            (Query('sorter_ledger_pieces{L,term!="inducted"}', "{{line}} {{term}}"),),
        ),
        Panel(
            Text("Found elsewhere than sent", "落格不符比例"),
            Text(
                "Of answered pieces that a sensor saw fall. Healthy: below 15 in 10,000.",
                "传感器确认落格的件中不符的比例。正常：低于万分之十五。",
            ),
            (
                Query(
                    "sum by (line) (rate(sorter_confirmation_mismatches_total{L}[1h])) / "
                    "(sum by (line) (rate(sorter_pieces_confirmed_total{L}[1h])) > 0)"
                ),
            ),
            "percentunit", bad_from=0.0015,
        ),
        Panel(
            Text("Plan that decides", "当前分拣方案"),
            Text(
                "Healthy: the version that the shift expects, the same on lines that share it.",
                "正常：与班次预期版本一致，共用方案的各线版本相同。",
            ),
            (Query("sorter_plan_info{L}", "{{line}}: {{plan}} {{version}}"),),
            kind="named", width=12, height=5,
        ),
        Panel(
            Text("Quarantined", "隔离"),
            Text(
                "Healthy: 0. At 1 no piece is sorted by its destination until somebody has looked.",
                "正常：0。为 1 时在有人检查前不按目的地分拣。",
            ),
            (Query("sorter_line_quarantined{L}"),),
            kind="stat", width=12, height=5, bad_from=1,
        ),
    ),
)  # fmt: skip
