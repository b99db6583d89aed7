"""One kernel for all workers of a module."""

from collections.abc import Iterator

import pytest

from narcis.jobs.kernel import WarmKernel


class Lent(WarmKernel):
    """A kernel that outlives the worker which uses it."""

    def __init__(self, kernel: WarmKernel):
        self.__dict__ = kernel.__dict__

    def close(self) -> None:
        pass


@pytest.fixture(scope="module")
def kernel() -> Iterator[WarmKernel]:
    with WarmKernel() as kernel:
        yield Lent(kernel)
