"""The command `bench`: parsing, one sentence for an error, and commands of plugins that are imported when asked for."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any, NoReturn

import click

from bench import plugins
from bench.commands.break_even import attribution, break_even
from bench.commands.check import check_plugin
from bench.commands.data import data
from bench.commands.demo import demo
from bench.commands.doctor import doctor
from bench.commands.flags import with_flags
from bench.commands.listing import info, list_
from bench.commands.new import new
from bench.commands.predict import predict
from bench.commands.run import run
from bench.commands.runs import runs
from bench.errors import BenchError

INTERRUPTED = 130
TERMINATED = 143


class Terminated(BaseException):
    """SIGTERM has come. No `except Exception` of a plugin keeps it, every `finally` runs."""


def terminate(number: int, frame: FrameType | None) -> NoReturn:
    """The handler of SIGTERM."""
    raise Terminated


class Bench(click.Group):
    """A group that finds commands of plugins by their names, and says every error in one sentence."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *plugins.offers("commands")})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        own = super().get_command(ctx, cmd_name)
        if own is None and cmd_name in plugins.offers("commands"):
            own = with_flags(plugins.load_command(cmd_name))
            self.add_command(own, cmd_name)
        return own

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        own = {name: command.get_short_help_str(100) for name, command in self.commands.items() if not command.hidden}
        stranger = {name: offer.text for name, offer in plugins.offers("commands").items()}
        with formatter.section("Commands"):
            formatter.write_dl(sorted({**stranger, **own}.items()))

    def main(self, args: Sequence[str] | None = None, *rest: Any, **extra: Any) -> NoReturn:
        """Run, and leave with an exit code of docs/commands.md."""
        args = list(sys.argv[1:] if args is None else args)
        debug = "--debug" in args or os.environ.get("BENCH_DEBUG", "0") not in ("", "0")
        extra = {**extra, "standalone_mode": False, "prog_name": "bench"}
        sys.exit(_guarded(lambda: super(Bench, self).main(args, *rest, **extra), debug))


def _guarded(work: Callable[[], Any], debug: bool) -> int:
    """Run `work`; its exit code. An error becomes one sentence on stderr, with the traceback before it under --debug."""
    try:
        answer = work()
        sys.stdout.flush()
        return answer if isinstance(answer, int) else 0
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("stopped; the same command again continues", err=True)
        return INTERRUPTED
    except Terminated:
        return TERMINATED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the interpreter complains at exit
        return 1
    except Exception as error:
        if debug:
            import traceback

            traceback.print_exc()
        return _say(error, debug)


def _say(error: Exception, debug: bool) -> int:
    if isinstance(error, click.ClickException):
        click.echo(f"error: {error.format_message()}", err=True)
        context = getattr(error, "ctx", None)
        if context is not None:
            click.echo(f"`{context.command_path} --help` shows what it takes", err=True)
        return error.exit_code
    if isinstance(error, BenchError):
        click.echo(f"error: {error}", err=True)
        return error.exit_code
    hint = "" if debug else "; the same command with --debug shows where"
    click.echo(f"error: unexpected {type(error).__name__}: {' '.join(str(error).split())}{hint}", err=True)
    return 1


@click.group(cls=Bench, context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """What image labels are worth in segmentation: weakly supervised methods under rules that are the same for all.

    \b
    bench run --method dcml_attention --dataset synthetic --protocol smoke
    """


@cli.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the script that completes names in a shell.

    \b
    bash: bench completion bash >> ~/.bashrc
    zsh:  bench completion zsh >> ~/.zshrc
    fish: bench completion fish > ~/.config/fish/completions/bench.fish
    """
    from click.shell_completion import get_completion_class

    script = get_completion_class(shell)
    assert script is not None
    click.echo(script(cli, {}, "bench", "_BENCH_COMPLETE").source())


for command in (demo, run, break_even, attribution, list_, info, new, check_plugin, data, runs, predict, doctor):
    cli.add_command(command)
with_flags(cli)
