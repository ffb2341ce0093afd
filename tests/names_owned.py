"""Fails when an installed distribution owns one of our top-level names: `import web` must mean ours."""

from importlib.metadata import packages_distributions

OURS = ("agent_tools", "worker", "web", "sql")


def main() -> int:
    """0 when the names are ours alone."""
    owners = packages_distributions()
    taken = {name: others for name in OURS if (others := sorted(set(owners.get(name, ())) - {"backburner"}))}
    for name, others in taken.items():
        print(f"The package '{name}' is also installed by {', '.join(others)}.")
    return 1 if taken else 0


if __name__ == "__main__":
    raise SystemExit(main())
