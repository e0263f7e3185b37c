"""The tasks over pictures, row by row as one sequence of grey levels."""

from __future__ import annotations

from functools import partial

from tasks.lra import images, pathfinder, pathfinder_lite
from tasks.lra.listops import DIGITS
from tasks.lra.pathfinder_lite import PathLaw
from tasks.lra.splits import Made, Read, Splits, divided
from tasks.lra.task import LRA_CITATION, LRA_URL, SequenceTask

_KRIZHEVSKY = "Krizhevsky (2009): Learning Multiple Layers of Features from Tiny Images"
_CIFAR_URL = "https://www.cs.toronto.edu/~kriz/cifar.html"
_LECUN = "LeCun et al. (1998): Gradient-Based Learning Applied to Document Recognition"
_LINSLEY = "Linsley et al. (2018): Learning long-range spatial dependencies with horizontal gated recurrent units"
_SEED = 20211105

IMAGE = SequenceTask(
    name="lra/image",
    description="What do 32 by 32 grey pixels of CIFAR-10 show? 1,024 symbols.",
    labels=images.CLASSES,
    source=Read("lra/cifar10", ((images.CIFAR,),), images.cifar, f"Put {images.CIFAR} of {_CIFAR_URL} there."),
    licence="no licence stated",
    citation=f"{LRA_CITATION}; {_KRIZHEVSKY}",
    url=_CIFAR_URL,
)

IMAGE_JPEG = SequenceTask(
    name="lra/image-jpeg",
    description="As lra/image, but the pictures went through JPEG, and there are 20,000 to train on: other pixels.",
    labels=images.CLASSES,
    source=Read(
        "lra/cifar10-jpeg",
        (images.JPEGS,),
        images.jpegs,
        "Zips of split/class/number.jpg, such as test/cat/0001.jpg.",
    ),
    licence="no licence stated",
    citation=_KRIZHEVSKY,
    url=_CIFAR_URL,
    marks=("lossy copy", "a third of training"),
)

MNIST = SequenceTask(
    name="lra/mnist",
    description="Which digit do 28 by 28 grey pixels show? 784 symbols; not a task of Long Range Arena.",
    labels=DIGITS,
    source=Read("lra/mnist", (images.MNIST,), images.mnist, "The four idx files of MNIST, gzipped."),
    licence="CC-BY-SA-3.0",
    citation=_LECUN,
)

MNIST_SMALL = SequenceTask(
    name="lra/mnist-small",
    description="Which digit do 14 by 14 grey pixels show, each the mean of four? 10,000 of MNIST to train on.",
    labels=DIGITS,
    source=Read("lra/mnist", (images.MNIST,), images.mnist_halved, "The four idx files of MNIST, gzipped."),
    licence="CC-BY-SA-3.0",
    citation=_LECUN,
)


def _pathfinder(name: str, side: int, what: str) -> SequenceTask:
    return SequenceTask(
        name=name,
        description=f"Are two marked points on one dashed path? {side} by {side} grey pixels, {what}.",
        labels=pathfinder.LABELS,
        source=Read(
            f"lra/pathfinder{side}",
            ((pathfinder.FOLDER,),),
            partial(pathfinder.read, side=side),
            f"The folder pathfinder{side} of Long Range Arena's lra_release.gz.",
            in_order=True,
        ),
        generated=True,
        licence="MIT",
        citation=f"{LRA_CITATION}; {_LINSLEY}",
        url=LRA_URL,
    )


PATHFINDER = _pathfinder("lra/pathfinder", 32, "1,024 symbols")
PATH_X = _pathfinder("lra/path-x", 128, "16,384 symbols")


def _drawn() -> Splits:
    return divided(pathfinder_lite.draw(PathLaw(), 15_000, _SEED), 12_000, 1_000)


PATHFINDER_LITE = SequenceTask(
    name="lra/pathfinder-lite",
    description=(
        "Are two marked points on one dashed path? 32 by 32 pixels of a generator of its own: not Pathfinder."
    ),
    labels=pathfinder_lite.LABELS,
    source=Made(
        _drawn,
        (
            "f40dd7234cd4b495b75c0328545e67dc87052d73ae5e5a3d386bdfdbbe47c2cc",
            "d948694e7382dbc58d6c77bc8dbac60cbef35c6c3127dcf2781cc9d97dc681dc",
            "4d350933f4da6847d69e417099435fa84af3e1e4879cb3dd4bb792fc438acbcb",
        ),
    ),
    generated=True,
    licence="Apache-2.0",
    citation=_LINSLEY,
    marks=("stand-in",),
)
