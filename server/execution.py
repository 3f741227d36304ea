"""`Execute`: a program, its inputs and files; outputs and measurements, no judgement."""

from __future__ import annotations

from protos.reward.v1 import reward_pb2 as pb
from sandbox.errors import FilesTooLarge
from sandbox.sandbox import Sandbox
from sandbox.session import Session
from sandbox.types import Case, Compilation, Limits, Program, RunResult
from server import limits as wire_limits
from server.errors import invalid
from server.paths import check_paths, check_places
from server.verify.statuses import status_of

MAX_RUNS = 1000
MAX_FILES = 100
MAX_FETCHED_BYTES = 16 << 20


def check(request: pb.ExecuteRequest) -> None:
    """Raises INVALID_ARGUMENT for what cannot be run."""
    if not request.source:
        raise invalid("source", "is required")
    for index, argument in enumerate(request.arguments):
        if "\0" in argument:
            raise invalid(f"arguments[{index}]", "holds a NUL, which no program can be given")
    if len(request.stdin) > MAX_RUNS:
        raise invalid("stdin", f"{len(request.stdin)} inputs are over the limit of {MAX_RUNS}")
    for field, paths in (("files", list(request.files)), ("fetch_files", list(request.fetch_files))):
        if len(paths) > MAX_FILES:
            raise invalid(field, f"{len(paths)} files are over the limit of {MAX_FILES}")
    check_places(request.files, "files")
    check_paths(request.fetch_files, "fetch_files")


async def execute(sandbox: Sandbox, request: pb.ExecuteRequest, limits: Limits) -> pb.ExecuteResult:
    """Compiles once and runs every input; raises SandboxError for a fault of the service."""
    program = Program(sandbox.language(request.language).name, request.source)
    compilation = await sandbox.compile(program)
    result = pb.ExecuteResult(
        id=request.id,
        compile=_compile_detail(compilation),
        isolation=sandbox.isolation,
        limits=wire_limits.to_message(limits),
    )
    if compilation.artefact is None:
        return result
    async with sandbox.session(compilation.artefact, limits) as session:
        result.runs.extend(await _runs(session, request))
    result.timing.compile_seconds = compilation.wall_seconds
    result.timing.run_seconds = sum(run.wall_seconds for run in result.runs)
    return result


async def _runs(session: Session, request: pb.ExecuteRequest) -> list[pb.Execution]:
    cases = [Case(stdin.encode(), tuple(request.arguments)) for stdin in request.stdin or ("",)]
    if request.files or request.fetch_files:
        return [await _run_with_files(session, request, case) for case in cases]
    return [_execution(run, {}) for run in await session.run_all(cases)]


async def _run_with_files(session: Session, request: pb.ExecuteRequest, case: Case) -> pb.Execution:
    """One run in clean scratch places, with files in and out."""
    await session.reset()
    if request.files:
        try:
            await session.put(dict(request.files))
        except FilesTooLarge as error:
            raise invalid("files", str(error)) from None
    run = await session.run(case, keep_files=True)
    wanted = list(request.fetch_files)
    return _execution(run, await session.fetch(wanted, MAX_FETCHED_BYTES) if wanted else {})


def _execution(run: RunResult, files: dict[str, bytes]) -> pb.Execution:
    return pb.Execution(
        status=status_of(run.outcome),
        exit_code=run.exit_code,
        signal=run.signal,
        stdout=run.stdout,
        stderr=run.stderr,
        cpu_seconds=run.cpu_seconds,
        wall_seconds=run.wall_seconds,
        memory_bytes=run.memory_bytes,
        files=files,
        message=run.outcome.value.replace("_", " "),
    )


def _compile_detail(compilation: Compilation) -> pb.CompileDetail:
    return pb.CompileDetail(
        ok=compilation.artefact is not None,
        diagnostics=compilation.diagnostics,
        cpu_seconds=compilation.cpu_seconds,
        wall_seconds=compilation.wall_seconds,
        cached=compilation.cached,
    )
