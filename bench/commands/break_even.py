"""`bench break-even` and `bench attribution`: the command lines. Nothing here imports torch or an installed plugin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import click

from bench.commands.run import parse, run
from bench.errors import UsageError

if TYPE_CHECKING:
    from bench.pipeline.request import RunRequest
    from bench.protocol import Protocol

C = TypeVar("C", bound=click.Command)

SHARED = "methods datasets rules settings roots out device files jobs timeout accept config fresh dry_run".split()
SEEDS = click.option(
    "--seed",
    "seeds",
    multiple=True,
    default=["0,1,2"],
    metavar="N[,N]",
    help="Seeds of the methods; an interval takes three. [default: 0,1,2]",
)


def as_in_run(command: C) -> C:
    """Give a command the options of `bench run` that mean the same here."""
    command.params = [*(option for option in run.params if option.name in SHARED), *command.params]
    return command


def request_of(options: dict[str, Any]) -> RunRequest:
    """The request of these options; UsageError where it names several data sets."""
    request = parse(**options)
    if len(request.datasets) > 1:
        raise UsageError(f"one data set at a time, not {', '.join(request.datasets)}; start the command for each")
    return request


@as_in_run
@click.command("break-even")
@SEEDS
@click.option(
    "--counts",
    default="1,2,5,10,20,50,100,200,500,all",
    show_default=True,
    metavar="N[,N]",
    help="Numbers of masks that full supervision is trained on.",
)
@click.option(
    "--draws",
    default="5,3",
    show_default=True,
    metavar="R[,R]",
    help="Draws of each number, from 3: up to 50 masks, and above.",
)
@click.option("--pretrained", metavar="FILE|imagenet", help="A second curve: a U-Net whose encoder has these weights.")
@click.option("--pretrained-encoder", metavar="NAME", help="That encoder, as in protocol.encoder.  [default: resnet34]")
@click.option(
    "--pretrained-counts", metavar="N[,N]", help="Numbers of masks of the second curve. [default: as --counts]"
)
def break_even(
    counts: str,
    draws: str,
    pretrained: str | None,
    pretrained_encoder: str | None,
    pretrained_counts: str | None,
    **options: Any,
) -> int:
    """How many masks a method is worth: full supervision with 1, 2, 5, ... masks, and where it reaches the method's Dice.

    \b
    bench break-even --method dcml_attention,otsu --dataset isic --data-root ISIC --protocol quick
    bench break-even --method otsu --dataset isic --counts 5,20,100,all --pretrained resnet34.safetensors
    """
    request = request_of(options)
    from bench.worth.counts import parse_counts, parse_draws
    from bench.worth.run import Question
    from bench.worth.run import break_even as work_out

    if pretrained is None and (pretrained_encoder or pretrained_counts):
        raise UsageError("--pretrained-encoder and --pretrained-counts need --pretrained FILE (or imagenet)")
    question = Question(
        parse_counts(counts),
        parse_draws(draws),
        with_encoder(request.protocol, pretrained, pretrained_encoder) if pretrained else None,
        parse_counts(pretrained_counts or counts),
    )
    return work_out(request, question)


def with_encoder(rules: Protocol, weights: str, encoder: str | None) -> Protocol:
    """The same rules with a U-Net on a pretrained encoder; its title says so."""
    from bench.protocol import change

    changes = {"segmenter": "smp-unet", "encoder_weights": weights}
    return change(rules, {**changes, **({"encoder": encoder} if encoder else {})})


@as_in_run
@click.command("attribution")
@SEEDS
@click.option(
    "--rule",
    default="otsu",
    show_default=True,
    metavar="RULE",
    help="The threshold rule of the proxies; maps that are a decision already have only `fixed`.",
)
def attribution(rule: str, **options: Any) -> int:
    """What the U-Net mends by itself: trained on a method's proxies, on true masks made as wrong as those, and on true masks.

    \b
    bench attribution --method gradcam_resnet50 --dataset isic --data-root ISIC --protocol quick
    """
    request = request_of(options)
    from bench.worth.attribution import attribution as work_out

    return work_out(request, rule)
