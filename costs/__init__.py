"""What the fleet costs, now and at any size."""

from costs.money import Money, MoneyError, Monthly
from costs.pricebook import PriceBook, PriceBookError

__all__ = ["Money", "MoneyError", "Monthly", "PriceBook", "PriceBookError"]
