"""The `arcus` command and its subcommands. The composition root: it may import anything, when it is needed."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from services.cli.administration import keys_app
from services.cli.backups import backup, restore, verify
from services.cli.tenants import audit, tenants_app, usage
from services.cli.terminal import visible
from services.core.errors import ArcusError, invalid
from services.core.logs import configure_logs

app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help="Video understanding."
)
app.add_typer(keys_app, name="keys")
app.add_typer(tenants_app, name="tenants")
app.command("usage")(usage)
app.command("audit")(audit)
app.command("backup")(backup)
app.command("restore")(restore)
app.command("verify")(verify)

Url = Annotated[str, typer.Option(envvar="ARCUS_URL", help="Base URL of a running Arcus, with /v1.")]
DataDir = Annotated[Path, typer.Option(envvar="ARCUS_DATA_DIR", help="Folder of the database and the objects.")]
Config = Annotated[
    Path | None, typer.Option(envvar="ARCUS_CONFIG", help="YAML file of engines and roles; see configs/.")
]
DEFAULT_URL = "http://127.0.0.1:8080/v1"
PRIVATE = 0o077  # what it and its children write is for their user alone


def _hidden_key(given: str) -> str:
    """From the environment or standard input: what stands on a command line is seen by other users of the machine."""
    if given not in ("", "-"):
        raise invalid(
            "A key on a command line can be read by others: set ARCUS_API_KEY, or give '--api-key -' and the key on "
            "standard input."
        )
    return sys.stdin.readline().strip() if given else os.environ.get("ARCUS_API_KEY", "")


Key = Annotated[
    str,
    typer.Option(metavar="-", callback=_hidden_key, help="Read the API key from standard input, not ARCUS_API_KEY."),
]


@app.command()
def up(
    data_dir: DataDir = Path(".arcus"),
    host: Annotated[str, typer.Option(envvar="ARCUS_HOST")] = "127.0.0.1",
    http_port: Annotated[int, typer.Option(envvar="ARCUS_HTTP_PORT", help="0 picks a free port.")] = 8080,
    grpc_port: Annotated[int, typer.Option(envvar="ARCUS_GRPC_PORT", help="0 picks a free port.")] = 50051,
    config: Config = None,
) -> None:
    """Run the whole system in the foreground until Ctrl-C."""
    from services.cli.credentials import start_key
    from services.cli.up import Addresses, up
    from services.core.engines.check import Machine, check_engines
    from services.core.engines.config import load_engine_config
    from services.core.settings import load_settings

    settings = load_settings(
        data_dir=data_dir, host=host, http_port=http_port, grpc_port=grpc_port, config=str(config or "")
    )
    check_engines(load_engine_config(settings), Machine.here())

    async def run() -> None:
        key = ""

        async def prepare() -> None:
            nonlocal key
            key = await start_key(settings)

        def announce(addresses: Addresses) -> None:
            print(f"ready http={addresses.http}/v1 grpc={addresses.grpc} key={key}", flush=True)

        await up(settings, announce, prepare=prepare)

    asyncio.run(run())


@app.command()
def front() -> None:
    """Run one front, HTTP and gRPC, by the settings; the engines are elsewhere (ARCUS_ENGINE_ADDRESS)."""
    from services.front import main as serve

    serve()


@app.command()
def engines(
    address: Annotated[
        str, typer.Option(help="Ray's dashboard, as http://HEAD:8265; empty prints what it would get.")
    ] = "",
    wait: Annotated[float, typer.Option(min=0, help="Seconds that the applications may take until they run.")] = 1800.0,
) -> None:
    """Deploy engines, index shards and ingest to a running Ray, and wait until they run."""
    arguments = [sys.executable, "-P", "-m", "ray_jobs.cluster", "--address", address, "--wait", str(wait)]
    os.execv(sys.executable, arguments)


@app.command()
def migrate(
    check: Annotated[
        bool, typer.Option("--check", help="Only look; exit status 1 where the tables are older.")
    ] = False,
    wait: Annotated[float, typer.Option(min=0, help="Seconds to wait for the database, or for the tables.")] = 0.0,
) -> None:
    """Bring the database's tables to the version that this Arcus needs."""
    from services.cli.migrate import migrate as bring

    print(asyncio.run(bring(check=check, wait_seconds=wait)))


@app.command()
def ingest(
    paths: Annotated[list[Path], typer.Argument(help="Videos, or folders of videos.")],
    collection: Annotated[str, typer.Option(help="Name of the collection; made if it is absent.")],
    url: Url = DEFAULT_URL,
    api_key: Key = "",
) -> None:
    """Upload videos and have them understood; exit status 1 if any failed."""
    from services.cli.client import Client
    from services.cli.ingest import ingest_files

    with Client(url, api_key) as client:
        raise typer.Exit(0 if ingest_files(client, paths, collection) else 1)


@app.command()
def ask(
    question: str,
    collection: Annotated[str, typer.Option(help="Name of the collection to ask.")],
    model: Annotated[str, typer.Option(help="nimbus-001 or nimbus-002-preview.")] = "nimbus-001",
    instructions: Annotated[str, typer.Option(help="How to answer.")] = "",
    stream: Annotated[bool, typer.Option("--stream", help="Print the answer as it is made.")] = False,
    url: Url = DEFAULT_URL,
    api_key: Key = "",
) -> None:
    """Ask a collection a question; prints the answer and where each claim stands."""
    from services.cli.ask import ask_collection
    from services.cli.client import Client

    with Client(url, api_key) as client:
        ask_collection(client, question, collection, model=model, instructions=instructions, stream=stream)


@app.command()
def doctor(data_dir: DataDir = Path(".arcus"), config: Config = None) -> None:
    """Say what this machine can run and what is missing; exit status 1 if Arcus cannot run."""
    from services.cli.doctor import examine, report

    raise typer.Exit(0 if report(examine(data_dir, config)) else 1)


@app.command()
def plan(
    videos_per_day: Annotated[float, typer.Option(help="Videos that come in a day.")],
    questions_per_second: Annotated[float, typer.Option(help="Questions asked in a second, at the peak.")],
    minutes_per_video: Annotated[float, typer.Option()] = 10.0,
    answer_tokens: Annotated[int, typer.Option(help="Length of an answer.")] = 300,
    days_kept: Annotated[float, typer.Option(help="Days a video stays.")] = 365.0,
    peak: Annotated[float, typer.Option(help="Videos of the busiest hour against the mean of the day.")] = 2.0,
    cpu: Annotated[bool, typer.Option("--cpu", help="Without GPUs: the embedded engines.")] = False,
    simulate: Annotated[
        bool, typer.Option("--simulate", help="A day of it: does it hold, and what breaks first.")
    ] = False,
    gpus: Annotated[int | None, typer.Option(help="With --simulate: GPUs; as many as are needed if not given.")] = None,
    tenants: Annotated[int, typer.Option(help="With --simulate: tenants that share the load.")] = 100,
) -> None:
    """Size a cluster: GPUs, cores, memory and storage from measured rates, with what is assumed."""
    from services.cli.plan import print_plan
    from services.cli.sizing import Load, gpus_of

    load = Load(videos_per_day, questions_per_second, minutes_per_video, answer_tokens, days_kept, peak)
    if simulate:
        from services.cli.simulated_plan import Setup, print_simulation

        if cpu:
            raise invalid("--simulate is of GPUs; leave out --cpu.", field="cpu")
        raise typer.Exit(0 if print_simulation(Setup(load, gpus_of(load) if gpus is None else gpus, tenants)) else 1)
    if gpus is not None:
        raise invalid("--gpus goes with --simulate.", field="gpus")
    print_plan(load, on_gpu=not cpu)


@app.command()
def settings() -> None:
    """Print every setting, its default and its meaning, as Markdown."""
    from services.cli.settings_page import settings_page

    print(settings_page(), end="")


@app.command()
def reshard(
    shards: Annotated[int, typer.Option(min=1, max=1024, help="Index shards from now on.")],
    data_dir: DataDir = Path(".arcus"),
) -> None:
    """Spread what is stored over another number of index shards; the system may run, with replicas of all of them."""
    from services.cli.reshard import spread

    moved = asyncio.run(spread(data_dir, shards))
    print(f"{moved} files moved; set ARCUS_INDEX_SHARDS={shards} where Arcus runs")


@app.command()
def demo(
    video: Annotated[Path | None, typer.Option(help="Video to use instead of the example.")] = None,
    question: Annotated[str, typer.Option()] = "How high does the tide rise in the bay in Canada?",
) -> None:
    """Start everything on free ports, understand the example video, ask about it, and stop everything."""
    from services.cli.demo import run_demo

    raise typer.Exit(run_demo(video, question))


def main() -> None:
    os.umask(PRIVATE)
    configure_logs()
    try:
        app()
    except ArcusError as error:
        print(f"error: {visible(error.message)}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
