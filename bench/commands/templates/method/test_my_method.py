"""my_method keeps the contract of a method: shapes, range, the same again, killed after every epoch and continued."""

from my_method import MyMethod

from bench.testing import check_method


def test_contract() -> None:
    check_method(MyMethod())
