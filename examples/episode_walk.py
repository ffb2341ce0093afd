"""A walk through the registry of episodes: look what is there, process what is new, follow it, see how it ended.

    export BACKBURNER_TOKEN=$(backburner token create walk)
    python examples/episode_walk.py file:shows/

Needs nothing but Python. The folder is below BACKBURNER_FILES; a feed's or a page's address does as well.
"""

import json
import os
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

BASE = os.environ.get("BACKBURNER", "http://127.0.0.1:8808")
FINAL = ("completed", "failed", "cancelled")


def call(method: str, path: str, body: object = None, **query: object) -> dict:
    """One call of the API; what is refused ends the walk with the sentence that says why."""
    url = f"{BASE}{path}?{urllib.parse.urlencode(query, doseq=True)}"
    headers = {"Authorization": f"Bearer {os.environ['BACKBURNER_TOKEN']}", "Content-Type": "application/json"}
    request = urllib.request.Request(
        url, json.dumps(body).encode() if body is not None else None, headers, method=method
    )
    try:
        with urllib.request.urlopen(request, timeout=70) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as refusal:
        raise SystemExit(f"{method} {path}: {json.load(refusal).get('detail', refusal)}") from None


def discover(source: str) -> list[dict]:
    """What the source holds that no job was asked for yet."""
    job = call("POST", "/api/v1/episodes/discover", {"source": source}, wait=50)
    print(f"Discovered: {job.get('result_line') or job['why']}")
    return call("GET", "/api/v1/episodes", unasked="true", found_in=source, limit=100)["episodes"]


def process(episodes: list[dict], stage: str) -> list[str]:
    """A job for each of them, all kept at once. Sent again, the same walk makes no second ones."""
    jobs = [
        {
            "kind": "episode",
            "title": each.get("title"),
            "subject": "Episodes",
            "args": {"source": each["source"], "target_stage": stage},
        }
        for each in episodes
    ]
    return [job["job_id"] for job in call("POST", "/api/v1/jobs/batch", {"jobs": jobs})["jobs"]]


def follow(job_id: str) -> dict:
    """The job as it ended; every change of its progress is printed."""
    said = ""
    while (job := call("GET", f"/api/v1/jobs/{job_id}", wait=2))["status"] not in FINAL:
        progress = job.get("progress") or {}
        now = f"  {job.get('title') or job_id}: {progress.get('stage', job['status'])} {progress.get('percent', '')} {progress.get('message', '')}"
        if now != said:
            print(now)
            said = now
        time.sleep(1)
    return job


def main() -> None:
    """The walk."""
    source, stage = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "render"
    new = discover(source)
    print(f"{len(new)} new")
    for job_id in process(new, stage) if new else []:
        job = follow(job_id)
        print(f"{job['status']}: {job.get('result_line') or job['error']['message']}  {job.get('page_url', '')}")
    for each in call("GET", "/api/v1/episodes", limit=100)["episodes"]:
        print(f"  {each['stage']:<11}{each.get('status', '-'):<11}{each.get('title') or each['source']}")


if __name__ == "__main__":
    main()
