"""The examples for other programs ask for nothing that there is not."""

import ast
import json
import re
from pathlib import Path

from web.api.asked import EpisodesQuery
from web.api.table import OPERATIONS
from worker.kinds.episode import episode

EXAMPLES = Path(__file__).parents[3] / "examples"
KNOWN = {
    "scheduleTrigger": 1.2, "manualTrigger": 1, "set": 3.4, "httpRequest": 4.2, "splitOut": 1, "wait": 1.1, "switch": 3.2, "slack": 2.2,
    "if": 2.2, "stopAndError": 1,
}  # fmt: skip
"""Types of nodes in n8n 1.x and 2.x, each with a version that both have."""


def is_served(method: str, path: str) -> bool:
    patterns = {(each.method, re.sub(r"\{\w+\}", "[^/]+", each.path)) for each in OPERATIONS}
    return any(method == of and re.fullmatch(pattern, path) for of, pattern in patterns)


def test_the_n8n_flow_is_whole_and_calls_what_is_served() -> None:
    flow = json.loads((EXAMPLES / "n8n-episodes.json").read_text())
    nodes = {node["name"]: node for node in flow["nodes"]}

    led_to = {each["node"] for ways in flow["connections"].values() for way in ways["main"] for each in way}
    assert led_to | set(flow["connections"]) == set(nodes)
    assert {node["type"].removeprefix("n8n-nodes-base."): node["typeVersion"] for node in nodes.values()} == KNOWN
    for node in nodes.values():
        for reference in re.findall(r"\$\('([^']+)'\)", json.dumps(node)):
            assert reference in nodes
    for node in nodes.values():
        if node["type"].endswith(".httpRequest"):
            path = re.sub(r"\{\{.*?\}\}", "x", node["parameters"]["url"].partition("base_url }}")[2]).partition("?")[0]
            assert is_served(node["parameters"].get("method", "GET"), path), path
    outputs = [rule["outputKey"] for rule in nodes["Branch"]["parameters"]["rules"]["values"]]
    assert len(flow["connections"]["Branch"]["main"]) == len(outputs) + 1
    assert episode.parse({"source": "file:shows/1.mp3", "target_stage": "render"})


def test_the_walk_calls_what_is_served() -> None:
    tree = ast.parse((EXAMPLES / "episode_walk.py").read_text())
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "call"]

    assert len(calls) == 5
    for each in calls:
        method, path = (
            ast.literal_eval(arg) if isinstance(arg, ast.Constant) else "/api/v1/jobs/x" for arg in each.args[:2]
        )
        assert is_served(method, path), path
        if path == "/api/v1/episodes":
            assert {keyword.arg for keyword in each.keywords} <= set(EpisodesQuery.model_fields)
