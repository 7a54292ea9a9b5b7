"""The page of verify-network: complete, self-contained, safe; and, in headless Chromium, a heat map that zooms."""

from __future__ import annotations

import re

import pytest
from browser import browse, measured
from network_stand import Cluster

from qcluster.network.dialogue import Dialogue
from qcluster.network.document import document
from qcluster.network.topology import without_plan
from qcluster.network.verify import Wishes, verify
from qcluster.report.network_html import network_page


def report(hosts=5, npus=16, broken=lambda source, target: source == (1, 5)):
    cluster = Cluster(hosts, npus, broken)
    variables = {name: {"ip": f"10.0.0.{i + 1}"} for i, name in enumerate(cluster.names)}
    dialogue = Dialogue(cluster.transports, lambda: 1000.0, lambda event: None)
    return document(verify(without_plan(variables), dialogue, Wishes()))


def test_the_page_says_what_is_wrong():
    page = network_page(report())
    assert "The network is broken." in page
    assert "NPU 5 of node-1 cannot reach node-0, node-2" in page
    assert "hccn_tool -i 5 -stat -g" in page
    assert page.count('<th scope="row">') == 5


def test_a_healthy_page():
    page = network_page(report(2, broken=lambda source, target: False))
    assert "The network passes." in page
    assert "Nothing was found." in page
    assert ">i.yaml · 2 hosts · " in network_page(report(2, broken=lambda source, target: False), "i.yaml")


def test_it_is_self_contained():
    page = network_page(report(2))
    assert not re.search(r"""(src|href)\s*=|@import|url\(|https?://""", page)


def test_what_tools_said_cannot_break_out():
    spoilt = report(2)
    spoilt["findings"][0]["seen"] = "</script><script>alert(1)</script>"
    spoilt["matrix"][0]["cause"] = "</script><b>"
    page = network_page(spoilt)
    assert "<script>alert" not in page
    assert page.count("</script>") == 2


def test_no_state_is_told_by_colour_alone():
    page = network_page(report())
    assert re.search(r'<td class="(fail|some)"[^>]*>✕</td>', page)
    assert ">5✕</span>" in page


@pytest.mark.browser
def test_in_chromium_the_worst_pair_is_zoomed_npu_by_npu(tmp_path):
    dom = browse(tmp_path, network_page(report(3))).dom
    zoom = dom[dom.index('id="zoom"') : dom.index('id="strips"')]
    assert re.search(r"<h3>node-1 → node-(0|2), NPU by NPU</h3>", zoom)
    assert zoom.count("<td ") == 16 * 16
    failed = re.findall(r'<td class="fail" title="([^"]*)"', zoom)
    assert failed and all(title.startswith("NPU 5 of node-1 → NPU") for title in failed)
    assert "hccs_ping: 0 of 1 received" in failed[0]
    assert re.search(r'title="NPU \d+ of node-1 → NPU \d+ of node-\d\s*hccs_ping: 1 of 1 received, TP95 9.5 µs', zoom)


CLICK = """
<script>
{ const cell = document.querySelector('#hosts td[data-at="2,0"]');
cell.click();
cell.dispatchEvent(new MouseEvent("mouseover", {bubbles: true})); }
</script></body>"""


@pytest.mark.browser
def test_in_chromium_a_click_zooms_and_hovering_shows_the_probes(tmp_path):
    page = network_page(report(3)).replace("</body>", CLICK)
    dom = browse(tmp_path, page).dom
    assert "<h3>node-2 → node-0, NPU by NPU</h3>" in dom
    assert re.search(r'<div id="tip"[^>]*>node-2 → node-0: \d+ of \d+ probes passed, TP95 up to 9.5 µs</div>', dom)


@pytest.mark.browser
def test_in_chromium_it_draws_and_can_be_read_in_light_and_dark(tmp_path):
    picture = tmp_path / "page.png"
    seen = measured(tmp_path, network_page(report()), f"--screenshot={picture}")
    assert (seen.console, seen.measured["requests"]) == ([], [])
    assert [theme for theme in ("light", "dark") if seen.measured[theme]["weak"]] == [], seen.measured
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert picture.stat().st_size > 20_000
