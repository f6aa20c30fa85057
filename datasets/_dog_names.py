"""Which of the 1,000 ImageNet synsets are dogs: by WordNet, and by the list in the published code of the second paper."""

from __future__ import annotations

import re
from typing import Literal

Listed = Literal["synsets", "code"]

SYNSET = re.compile(r"n\d{8}")

DOGS = tuple(
    """
    n02085620 n02085782 n02085936 n02086079 n02086240 n02086646 n02086910 n02087046 n02087394 n02088094 n02088238 n02088364
    n02088466 n02088632 n02089078 n02089867 n02089973 n02090379 n02090622 n02090721 n02091032 n02091134 n02091244 n02091467
    n02091635 n02091831 n02092002 n02092339 n02093256 n02093428 n02093647 n02093754 n02093859 n02093991 n02094114 n02094258
    n02094433 n02095314 n02095570 n02095889 n02096051 n02096177 n02096294 n02096437 n02096585 n02097047 n02097130 n02097209
    n02097298 n02097474 n02097658 n02098105 n02098286 n02098413 n02099267 n02099429 n02099601 n02099712 n02099849 n02100236
    n02100583 n02100735 n02100877 n02101006 n02101388 n02101556 n02102040 n02102177 n02102318 n02102480 n02102973 n02104029
    n02104365 n02105056 n02105162 n02105251 n02105412 n02105505 n02105641 n02105855 n02106030 n02106166 n02106382 n02106550
    n02106662 n02107142 n02107312 n02107574 n02107683 n02107908 n02108000 n02108089 n02108422 n02108551 n02108915 n02109047
    n02109525 n02109961 n02110063 n02110185 n02110341 n02110627 n02110806 n02110958 n02111129 n02111277 n02111500 n02111889
    n02112018 n02112137 n02112350 n02112706 n02113023 n02113186 n02113624 n02113712 n02113799 n02113978
    """.split()
)
"""The 118 breeds: numbers 151 (Chihuahua) to 268 (Mexican hairless) of the 1,000 synsets in order. The wolves, the dingo, the dhole,
the African hunting dog and the foxes come after them and are no dogs here, and neither is the dogsled."""

MISSED = frozenset("n02097474 n02102177 n02104365 n02105412 n02106166 n02107574 n02110341 n02113978".split())
"""The breeds that the published code takes for no dogs: seven of its keywords are misspelt or match no name, one is absent."""

CARDIGAN = "n02963159"
"""The garment, which the published code takes for the Cardigan Welsh corgi."""

IMAGENET_S_DOGS = range(152, 270)
"""The dogs' class ids in the masks of ImageNet-S: places, from 1, in the sorted 919 synsets, of which the first 269 are ImageNet's."""


def dogs(listed: Listed) -> frozenset[str]:
    """The synsets that a list calls dogs."""
    return frozenset(DOGS) if listed == "synsets" else frozenset(DOGS) - MISSED | {CARDIGAN}


assert len(DOGS) == len(dogs("synsets")) == len(IMAGENET_S_DOGS) == 118
assert list(DOGS) == sorted(DOGS)
assert len(dogs("code")) == 111
