"""Makes Grafana's JSON out of the boards declared here, with Grafana's own builders."""

from typing import Any

from grafana_foundation_sdk.builders import common as common_builder
from grafana_foundation_sdk.builders import dashboard as dashboard_builder
from grafana_foundation_sdk.builders import heatmap, prometheus, stat, statetimeline, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common, dashboard
from grafana_foundation_sdk.models import heatmap as heatmap_model
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from deploy.grafana.model import Board, Panel, Text

DATASOURCE = common.DataSourceRef(type_val="prometheus", uid="sorter-prometheus")
"""The uid is that of provisioning/datasources/prometheus.yml."""
GOOD, BAD = "green", "red"
WORDS = {
    "site": Text("Site", "场地"),
    "line": Text("Line", "分拣线"),
}


def dashboards(board: Board, language: str) -> str:
    """Return a dashboard's JSON in "en" or "zh"."""
    made = (
        dashboard_builder.Dashboard(_in(board.title, language))
        .uid(f"sorter-{board.name}-{language}")
        .description(_in(board.about, language))
        .tags(["sorter", language])
        .readonly()
        .refresh(board.refresh)
        .time(board.since, "now")
        .timezone("browser")
        .tooltip(dashboard.DashboardCursorSync.CROSSHAIR)
        .with_variable(_variable("site", "label_values(sorter_line_process_up, site)", language))
        .with_variable(
            _variable("line", 'label_values(sorter_plc_connected{site=~"$site"}, line)', language)
        )
        .link(
            dashboard_builder.DashboardLink(_in(Text("Sorting centre", "分拣中心"), language))
            .type(dashboard.DashboardLinkType.DASHBOARDS)
            .tags(["sorter", language])
            .as_dropdown(as_dropdown=True)
            .keep_time(keep_time=True)
            .include_vars(include_vars=True)
        )
    )
    for panel in board.panels:
        made.with_panel(_panel(panel, language))
    return JSONEncoder(sort_keys=True, indent=2).encode(made.build()) + "\n"


def _in(text: Text, language: str) -> str:
    return text.en if language == "en" else text.zh


def _variable(name: str, query: str, language: str) -> dashboard_builder.QueryVariable:
    return (
        dashboard_builder.QueryVariable(name)
        .label(_in(WORDS[name], language))
        .datasource(DATASOURCE)
        .query(query)
        .refresh(dashboard.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(dashboard.VariableSort.ALPHABETICAL_ASC)
        .multi(multi=True)
        .include_all(include_all=True)
        .all_value(".*")
    )


def _panel(panel: Panel, language: str) -> Any:
    kinds: dict[str, Any] = {
        "timeseries": _timeseries,
        "stat": _stat,
        "named": _named,
        "heatmap": _heatmap,
        "rows": _heatmap,
        "states": _states,
    }
    made = (
        kinds[panel.kind](panel, language)
        .title(_in(panel.title, language))
        .description(_in(panel.healthy, language))
        .datasource(DATASOURCE)
        .height(panel.height)
        .span(panel.width)
    )
    for number, query in enumerate(panel.queries):
        target = (
            prometheus.Dataquery()
            .ref_id(chr(ord("A") + number))
            .datasource(DATASOURCE)
            .expr(query.promql)
            .legend_format(query.legend)
        )
        if panel.kind == "heatmap":
            target.format(PromQueryFormat.HEATMAP)
        made.with_target(target)
    if panel.kind == "rows":
        made.repeat("line")
    return made


def _timeseries(panel: Panel, _: str) -> Any:
    made = (
        timeseries.Panel()
        .unit(panel.unit)
        .min(0)
        .fill_opacity(8)
        .line_width(2)
        .legend(
            common_builder.VizLegendOptions()
            .display_mode(common.LegendDisplayMode.TABLE)
            .placement(common.LegendPlacement.BOTTOM)
            .show_legend(show_legend=True)
            .calcs(["lastNotNull", "max"])
        )
    )
    steps = _thresholds(panel)
    if steps is not None:
        made.thresholds(steps).thresholds_style(
            common_builder.GraphThresholdsStyleConfig().mode(common.GraphThresholdsStyleMode.LINE)
        )
    return made


def _stat(panel: Panel, _: str) -> Any:
    made = (
        stat.Panel()
        .unit(panel.unit)
        .graph_mode(common.BigValueGraphMode.AREA)
        .color_mode(common.BigValueColorMode.BACKGROUND)
        .reduce_options(common_builder.ReduceDataOptions().calcs(["lastNotNull"]))
    )
    return made.thresholds(
        _thresholds(panel)
        or dashboard_builder.ThresholdsConfig()
        .mode(dashboard.ThresholdsMode.ABSOLUTE)
        .steps([dashboard.Threshold(color="blue")])
    )


def _named(panel: Panel, language: str) -> Any:
    return _stat(panel, language).text_mode(common.BigValueTextMode.NAME)


def _heatmap(panel: Panel, _: str) -> Any:
    return (
        heatmap.Panel()
        .calculate(calculate=False)
        .color(
            heatmap.HeatmapColorOptions()
            .mode(heatmap_model.HeatmapColorMode.SCHEME)
            .scheme("Viridis")
            .steps(64)
        )
        .y_axis(heatmap.YAxisConfig().unit(panel.unit))
        .filter_values(heatmap.FilterValueRange().le(1e-9))
    )


def _states(panel: Panel, language: str) -> Any:
    options = {
        str(value): dashboard.ValueMappingResult(
            text=_in(text, language), color=colour, index=value
        )
        for value, text, colour in panel.states
    }
    mapping = dashboard.ValueMap(options=options)
    return statetimeline.Panel().mappings([mapping]).merge_values(merge_values=True)


def _thresholds(panel: Panel) -> dashboard_builder.ThresholdsConfig | None:
    if panel.bad_from is not None:
        below, bound, above = GOOD, panel.bad_from, BAD
    elif panel.bad_below is not None:
        below, bound, above = BAD, panel.bad_below, GOOD
    else:
        return None
    steps = [dashboard.Threshold(color=below), dashboard.Threshold(color=above, value=bound)]
    return dashboard_builder.ThresholdsConfig().mode(dashboard.ThresholdsMode.ABSOLUTE).steps(steps)
