"""Each changes something that it shares with everything else in its process."""

from __future__ import annotations

import os
import warnings
from typing import ClassVar

import torch
from plugins.liars.honest import Honest

from bench import hookimpl


class Dtype(Honest):
    """Changes torch's default dtype in fit()."""

    name: ClassVar[str] = "leaves_dtype"

    def fit(self, net, view, training):
        torch.set_default_dtype(torch.float64)
        return super().fit(net, view, training)


class Folder(Honest):
    """Goes to another folder in fit()."""

    name: ClassVar[str] = "leaves_folder"

    def fit(self, net, view, training):
        os.chdir("..")
        return super().fit(net, view, training)


class Filters(Honest):
    """Silences all warnings in fit()."""

    name: ClassVar[str] = "leaves_filters"

    def fit(self, net, view, training):
        warnings.simplefilter("ignore")
        return super().fit(net, view, training)


class Threads(Honest):
    """Takes another thread in fit()."""

    name: ClassVar[str] = "leaves_threads"

    def fit(self, net, view, training):
        torch.set_num_threads(torch.get_num_threads() + 1)
        return super().fit(net, view, training)


class Variables(Honest):
    """Sets an environment variable in maps()."""

    name: ClassVar[str] = "leaves_variables"

    def maps(self, net, images, labels, task):
        os.environ["LEFT"] = str(len(os.environ))
        return super().maps(net, images, labels, task)


class Draws(Honest):
    """Draws from torch's generator in maps(), for nothing."""

    name: ClassVar[str] = "leaves_draws"

    def maps(self, net, images, labels, task):
        torch.rand(1)
        return super().maps(net, images, labels, task)


class Prints(Honest):
    """Prints in maps()."""

    name: ClassVar[str] = "leaves_prints"

    def maps(self, net, images, labels, task):
        print("loss 0.1")
        return super().maps(net, images, labels, task)


@hookimpl
def bench_methods():
    return [Dtype, Folder, Filters, Threads, Variables, Draws, Prints]
