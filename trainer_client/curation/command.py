"""`trainer_client curate`: a plan in, a training set out."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from trainer_client.curation.plan import Plan, load_plan
from trainer_client.recipe import recipe_as_toml


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's arguments."""
    parser.set_defaults(command=run)
    parser.add_argument("plan", type=Path, metavar="PLAN.toml", help="sources, steps and bounds")
    parser.add_argument("--out", type=Path, help="the curation's folder (default: curated/NAME)")
    parser.add_argument(
        "--server", metavar="HOST:PORT", help="the reward server's gRPC address (overrides the plan)"
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="print the resolved plan and its steps, and stop"
    )


def run(options: argparse.Namespace) -> int:
    """Runs the steps that are left, then writes what comes out. Raises TrainerError."""
    plan = load_plan(options.plan)
    if options.server:
        plan = replace(plan, verifier=replace(plan.verifier, server=options.server))
    if options.dry_run:
        print(outline(plan))
        return 0
    _curate(plan, options.out or Path("curated") / plan.name)
    return 0


def outline(plan: Plan) -> str:
    """The resolved plan, and what it will do."""
    from trainer_client.curation.pipeline import steps_of

    sizes = [Path(name).stat().st_size for source in plan.source for name in source.files]
    names = ", ".join(step.name for step in steps_of(plan))
    return f"{recipe_as_toml(plan)}\n# {len(sizes)} files, {sum(sizes)} bytes\n# steps: {names}"


def _curate(plan: Plan, folder: Path) -> None:
    from trainer_client.curation.export import export
    from trainer_client.curation.page import page, terminal_table
    from trainer_client.curation.pipeline import claim, curate
    from trainer_client.curation.workspace import Workspace

    claim(folder, plan)
    with Workspace(folder) as workspace:
        curate(plan, workspace, lambda text: print(text, file=sys.stderr))
        summary = export(plan, workspace)
    (folder / "index.html").write_text(page(summary), encoding="utf-8")
    print(terminal_table(summary))
    print(f"done: {folder} (train.jsonl, rejected.jsonl, report.json, index.html)")
