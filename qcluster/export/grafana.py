"""A Grafana dashboard over vLLM's own metrics (names: vLLM `v1/metrics/loggers.py`, v0.23), one row a question."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

PANEL_WIDTH, PANEL_HEIGHT, COLUMNS = 12, 8, 2


@dataclass(frozen=True)
class Panel:
    """One graph. `unit` is Grafana's word."""

    title: str
    expression: str
    legend: str
    unit: str = "short"


_FILTER = '{deployment="$deployment", role=~"$role"}'


def _quantile(metric: str, quantile: float) -> str:
    return f"histogram_quantile({quantile}, sum by (le, role) (rate({metric}_bucket{_FILTER}[1m])))"


PANELS = (
    Panel("Requests running", f"vllm:num_requests_running{_FILTER}", "{{instance_name}}"),
    Panel("Requests waiting", f"vllm:num_requests_waiting{_FILTER}", "{{instance_name}}"),
    Panel("KV cache used", f"vllm:kv_cache_usage_perc{_FILTER}", "{{instance_name}}", "percentunit"),
    Panel(
        "Finished requests a second",
        f"sum by (role) (rate(vllm:request_success_total{_FILTER}[1m]))",
        "{{role}}",
        "reqps",
    ),
    Panel("Prompt tokens a second", f"sum by (role) (rate(vllm:prompt_tokens_total{_FILTER}[1m]))", "{{role}}"),
    Panel("Generated tokens a second", f"sum by (role) (rate(vllm:generation_tokens_total{_FILTER}[1m]))", "{{role}}"),
    Panel("Time to first token, p50", _quantile("vllm:time_to_first_token_seconds", 0.5), "{{role}}", "s"),
    Panel("Time to first token, p99", _quantile("vllm:time_to_first_token_seconds", 0.99), "{{role}}", "s"),
    Panel("Time per output token, p50", _quantile("vllm:inter_token_latency_seconds", 0.5), "{{role}}", "s"),
    Panel("Time per output token, p99", _quantile("vllm:inter_token_latency_seconds", 0.99), "{{role}}", "s"),
)


def dashboard() -> dict[str, Any]:
    """The dashboard as Grafana imports it; the data source and the deployment are chosen in it."""
    return {
        "title": "qcluster: vLLM on Ascend",
        "uid": "qcluster-vllm",
        "schemaVersion": 39,
        "tags": ["vllm", "ascend", "qcluster"],
        "timezone": "browser",
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {"list": [_source(), _variable("deployment", False), _variable("role", True)]},
        "panels": [_panel(index, panel) for index, panel in enumerate(PANELS)],
    }


def _source() -> dict[str, Any]:
    return {"name": "source", "type": "datasource", "query": "prometheus", "label": "Data source"}


def _variable(name: str, many: bool) -> dict[str, Any]:
    query = f"label_values(vllm:num_requests_running, {name})"
    return {
        "name": name,
        "type": "query",
        "datasource": {"type": "prometheus", "uid": "${source}"},
        "query": query,
        "refresh": 2,
        "includeAll": many,
        "multi": many,
    }


def _panel(index: int, panel: Panel) -> dict[str, Any]:
    row, column = divmod(index, COLUMNS)
    source = {"type": "prometheus", "uid": "${source}"}
    return {
        "id": index + 1,
        "type": "timeseries",
        "title": panel.title,
        "datasource": source,
        "gridPos": {"x": column * PANEL_WIDTH, "y": row * PANEL_HEIGHT, "w": PANEL_WIDTH, "h": PANEL_HEIGHT},
        "fieldConfig": {"defaults": {"unit": panel.unit}, "overrides": []},
        "targets": [{"refId": "A", "expr": panel.expression, "legendFormat": panel.legend, "datasource": source}],
    }
