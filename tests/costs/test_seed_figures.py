"""Every figure of the seed's tables comes out of a command, from fleet.yaml and the seed's book.

Each row quotes the seed's line, and names the command and the place in its JSON where the figure stands.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from costs.claims import claims
from costs.pricebook import PriceBook
from tests.costs.conftest import printed

BUDGET = ("budget", "--book", "seed")
SCALING = ("scaling", "--accounts", "5000", "--book", "seed")
CAPACITY = ("capacity",)
MAILS = ("mails", "--book", "seed")
AUDIT = ("audit",)
FIGURES = ("limits",)
BOOKS = ("books",)

ORCHESTRATOR = (
    "| Главный оркестратор         | Hetzner CX31          | 1          | $10/мес      | $10      |"
)
NODES = "| Sending-ноды                | Contabo VPS S         | 8          | $6/мес       | $48      |"
PROXIES = "| Proxy Pool (4G)             | IPRoyal/Soax          | 150 IP     | $1.30/IP     | $195     |"
MONITORING = "| Мониторинг                  | MXToolbox + GlockApps | -          | $20/мес      | $20      |"
INFRASTRUCTURE = (
    "| **Subtotal инфраструктура** |                       |            |              | **$273** |"
)
CUSTOM = "| Custom Domains             | 1200       | -            | -       |"
DOMAINS = "| Регистрация доменов        | 40 доменов | $1/мес       | $40     |"
SMTP = "| SMTP Hosting (Postfix VPS) | -          | -            | $30     |"
ACCOUNTS = "| **Subtotal аккаунты**      |            |              | **$70** |"
TOTAL = "### Итоговая стоимость: ~$335-350/месяц"
GMAIL = "- 400 Gmail: $2,400/мес"
OUTLOOK = "- 400 Outlook: $2,400/мес"
REST = "- 400 Custom: $70/мес"
PREMIUM = "- **Итого: $4,870/мес**"
PREMIUM_1200 = "Google Workspace / Microsoft 365 будут стоить $4,800+/месяц для 1200 аккаунтов."
ZAPIER = "| Zapier  |       $1,200/год           | Лимит на задачи   |"
MAKE = "| Make    |        $600/год            | Лимит на операции |"
N8N = "| **n8n** |     **$20/мес VPS**        | Без лимитов       |"
SCALED_NODES = "| VPS Nodes | 8              | 33             | +25 (+$150/мес) |"
SCALED_PROXIES = "| Proxies   | 150 IP         | 500 IP         | +350 (+$455/мес)|"
SCALED_DOMAINS = "| Домены    | 40             | 125            | +85 (+$85/мес)  |"
SCALED_TOTAL = "| **Итого** | **$335/мес**   | **$1,025/мес** | **+$690/мес**   |"
PER_MAIL = "- При 1,200 аккаунтах: $335 ÷ 60,000 писем/день = **$0.0058/письмо**"
PER_MAIL_SCALED = "- При 5,000 аккаунтах: $1,025 ÷ 250,000 писем/день = **$0.0041/письмо**"
SAVING = "**Вывод:** экономия на масштабе начинается с 3,000+ аккаунтов."
PROXY_USE = "- Нагрузка: 1,200 аккаунтов ÷ 150 = 8 аккаунтов/IP"
PROXY_LIMIT = "- Max sustainable: 500 писем/день/IP ÷ 50 писем/аккаунт = 10 аккаунтов/IP"
PROXY_ROOM = "- Запас: 20%"
TIER_1 = "└─ 50 IP в ротации, ~$65/мес"
BOUGHT = "- 50 доменов закуплены ($200/год bulk через Namecheap)"
EXECUTIONS = "- Протестировано: 10,000+ workflow executions/день"
LINK = "- 1Gbps VPS → 5,000 писем/час = 0.5% использования"
LINK_ENOUGH = "- Не является bottleneck до 100,000+ аккаунтов"
MXTOOLBOX = "2. **MXToolbox API** ($99/год)"
GLOCKAPPS = "3. **GlockApps** ($99/мес)"
FAILOVER = "Для HA добавьте failover node с синхронизированными workflow (+$20/мес)."
WEEK_1 = "| 1      | 5          | Только внутренние              | 100%                 |"
WEEK_2 = "| 2      | 10         | 50% внутренние, 50% безопасные | 100%                 |"
WEEK_3 = "| 3      | 20         | 70% внешние                    | >95%                 |"
WEEK_4 = "| 4      | 35         | 100% внешние                   | >90%                 |"
WEEK_5 = "| 5+     | 50         | Production-ready               | >85%                 |"
WARMUP = "**Общее время warmup: 35 дней**"
THROUGHPUT = "- Пропускная способность: 60,000 писем/день (50 писем/аккаунт)"

# The seed's line, the command, where the figure stands in its JSON, the figure.
FOUND: list[tuple[str, tuple[str, ...], str, object]] = [
    (ORCHESTRATOR, BUDGET, "lines/id=orchestrator/product", "CX31"),
    (ORCHESTRATOR, BUDGET, "lines/id=orchestrator/quantity", 1),
    (ORCHESTRATOR, BUDGET, "lines/id=orchestrator/price", "10"),
    (ORCHESTRATOR, BUDGET, "lines/id=orchestrator/monthly", "10.00"),
    (NODES, BUDGET, "lines/component=nodes/product", "VPS S"),
    (NODES, BUDGET, "lines/component=nodes/quantity", 8),
    (NODES, BUDGET, "lines/component=nodes/price", "6"),
    (NODES, BUDGET, "lines/component=nodes/monthly", "48.00"),
    (PROXIES, BUDGET, "lines/id=proxies/quantity", 150),
    (PROXIES, BUDGET, "lines/id=proxies/price", "1.30"),
    (PROXIES, BUDGET, "lines/id=proxies/monthly", "195.00"),
    (MONITORING, BUDGET, "lines/component=monitoring/price", "20"),
    (MONITORING, BUDGET, "lines/component=monitoring/monthly", "20.00"),
    (INFRASTRUCTURE, BUDGET, "subtotals/infrastructure", "273.00"),
    (CUSTOM, BUDGET, "lines/id=mailboxes/quantity", 1200),
    (CUSTOM, BUDGET, "lines/id=mailboxes/monthly", "0.00"),
    (DOMAINS, BUDGET, "lines/id=domains/quantity", 40),
    (DOMAINS, BUDGET, "lines/id=domains/price", "1"),
    (DOMAINS, BUDGET, "lines/id=domains/monthly", "40.00"),
    (SMTP, BUDGET, "lines/component=smtp-hosting/monthly", "30.00"),
    (ACCOUNTS, BUDGET, "subtotals/accounts", "70.00"),
    (TOTAL, BUDGET, "quoted_total", "335.00"),
    (TOTAL, BUDGET, "quoted_upper", "350.00"),
    (TOTAL, BUDGET, "total_monthly", "343.00"),
    (GMAIL, BUDGET, "premium/seats/product=Google Workspace/seats", 400),
    (GMAIL, BUDGET, "premium/seats/product=Google Workspace/monthly", "2400.00"),
    (OUTLOOK, BUDGET, "premium/seats/product=Microsoft 365/seats", 400),
    (OUTLOOK, BUDGET, "premium/seats/product=Microsoft 365/monthly", "2400.00"),
    (REST, BUDGET, "premium/custom_accounts", 400),
    (REST, BUDGET, "premium/custom_monthly", "70.00"),
    (PREMIUM, BUDGET, "premium/without_infrastructure", "4870.00"),
    (PREMIUM, BUDGET, "premium/total", "5143.00"),
    (PREMIUM_1200, AUDIT, "id=23-seats-for-all/quoted", "4800.00"),
    (PREMIUM_1200, AUDIT, "id=23-seats-for-all/computed", "7200.00"),
    (ZAPIER, BUDGET, "saas/name=zapier/yearly", "1200.00"),
    (MAKE, BUDGET, "saas/name=make/yearly", "600.00"),
    (N8N, BUDGET, "saas/name=n8n/monthly", "20.00"),
    (SCALED_NODES, SCALING, "base/nodes", 8),
    (SCALED_NODES, SCALING, "quoted/nodes", 33),
    (SCALED_NODES, SCALING, "quoted/added/nodes", 25),
    (SCALED_NODES, SCALING, "quoted/added/nodes_monthly", "150.00"),
    (SCALED_NODES, SCALING, "computed/nodes", 34),
    (SCALED_PROXIES, SCALING, "base/proxies", 150),
    (SCALED_PROXIES, SCALING, "quoted/proxies", 500),
    (SCALED_PROXIES, SCALING, "quoted/added/proxies", 350),
    (SCALED_PROXIES, SCALING, "quoted/added/proxies_monthly", "455.00"),
    (SCALED_PROXIES, SCALING, "computed/proxies", 625),
    (SCALED_DOMAINS, SCALING, "base/domains", 40),
    (SCALED_DOMAINS, SCALING, "quoted/domains", 125),
    (SCALED_DOMAINS, SCALING, "quoted/added/domains", 85),
    (SCALED_DOMAINS, SCALING, "quoted/added/domains_monthly", "85.00"),
    (SCALED_DOMAINS, SCALING, "computed/domains", 167),
    (SCALED_TOTAL, SCALING, "quoted/base", "335.00"),
    (SCALED_TOTAL, SCALING, "quoted/total", "1025.00"),
    (SCALED_TOTAL, SCALING, "quoted/added/total", "690.00"),
    (SCALED_TOTAL, SCALING, "computed/total", "1243.50"),
    (PER_MAIL, SCALING, "base/mails_per_day", 60_000),
    (PER_MAIL, AUDIT, "id=08-cost-per-mail/quoted", "0.0058"),
    (PER_MAIL, MAILS, "spreads/what=this fleet/per_mail", "0.0001906"),
    (PER_MAIL, MAILS, "spreads/what=the seed's total/total", "335.00"),
    (PER_MAIL_SCALED, SCALING, "computed/mails_per_day", 250_000),
    (PER_MAIL_SCALED, AUDIT, "id=08-scaled/quoted", "0.0041"),
    (PER_MAIL_SCALED, MAILS, "spreads/what=the seed's scaled total/total", "1025.00"),
    (PER_MAIL_SCALED, MAILS, "spreads/what=the same on the right base/per_mail", "0.0001377"),
    (PER_MAIL_SCALED, MAILS, "spreads/what=scaled in today's ratios/per_mail", "0.0001658"),
    (SAVING, SCALING, "saving/quoted_from", 3000),
    (SAVING, SCALING, "saving/always_from", 1354),
    (PROXY_USE, CAPACITY, "loads/id=accounts-per-proxy/use", "8.00"),
    (PROXY_LIMIT, CAPACITY, "loads/id=mails-per-proxy/limit", "500.00"),
    (PROXY_LIMIT, CAPACITY, "loads/id=accounts-per-proxy/limit", "10.00"),
    (PROXY_ROOM, CAPACITY, "loads/id=accounts-per-proxy/headroom_percent", "20.0"),
    (PROXY_ROOM, CAPACITY, "loads/id=accounts-per-proxy/growth_percent", "25.0"),
    (TIER_1, AUDIT, "id=24-tier-1/quoted", "65.00"),
    (BOUGHT, AUDIT, "id=22-domains-bought/computed", "50"),
    (BOUGHT, BOOKS, "name=seed/lines/id=domains-bulk-50/price", "200"),
    (EXECUTIONS, FIGURES, "figures/executions_per_day/value", "10000"),
    (LINK, CAPACITY, "link/link_mbit", 1000),
    (LINK, CAPACITY, "link/mails_per_hour", 5000),
    (LINK, CAPACITY, "link/quoted_percent", "0.50"),
    (LINK_ENOUGH, CAPACITY, "link/quoted_accounts", 100_000),
    (MXTOOLBOX, BOOKS, "name=seed/lines/id=mxtoolbox/price", "99"),
    (GLOCKAPPS, BOOKS, "name=seed/lines/id=glockapps/price", "99"),
    (FAILOVER, AUDIT, "id=20-failover/quoted", "20.00"),
    (WEEK_1, CAPACITY, "warmup/day=1/per_account", 5),
    (WEEK_1, CAPACITY, "warmup/day=7/recipients", "internal only"),
    (WEEK_1, CAPACITY, "warmup/day=7/target_success", "100%"),
    (WEEK_2, CAPACITY, "warmup/day=8/per_account", 10),
    (WEEK_2, CAPACITY, "warmup/day=14/recipients", "50% internal, 50% safe"),
    (WEEK_2, CAPACITY, "warmup/day=14/target_success", "100%"),
    (WEEK_3, CAPACITY, "warmup/day=15/per_account", 20),
    (WEEK_3, CAPACITY, "warmup/day=21/recipients", "70% external"),
    (WEEK_3, CAPACITY, "warmup/day=21/target_success", ">95%"),
    (WEEK_4, CAPACITY, "warmup/day=22/per_account", 35),
    (WEEK_4, CAPACITY, "warmup/day=28/recipients", "100% external"),
    (WEEK_4, CAPACITY, "warmup/day=28/target_success", ">90%"),
    (WEEK_5, CAPACITY, "warmup/day=29/per_account", 50),
    (WEEK_5, CAPACITY, "warmup/day=29/recipients", "production-ready"),
    (WEEK_5, CAPACITY, "warmup/day=29/target_success", ">85%"),
    (WARMUP, CAPACITY, "warmup/day=35/percent_of_full_load", "100.0"),
    (THROUGHPUT, CAPACITY, "mails_per_day", 60_000),
]


def at(data: Any, place: str) -> Any:
    """The value at a place: keys and, in lists, `key=value` of the one entry meant, parted by slashes."""
    for step in place.split("/"):
        if isinstance(data, list):
            key, _, value = step.partition("=")
            [data] = [entry for entry in data if str(entry[key]) == value]
        else:
            data = data[step]
    return data


@pytest.mark.parametrize(
    ("quote", "command", "place", "figure"), FOUND, ids=[f"{row[1][0]}:{row[2]}" for row in FOUND]
)
def test_a_command_produces_the_figure(
    quote: str, command: tuple[str, ...], place: str, figure: object
) -> None:
    assert at(json.loads(printed(*command, "--format", "json")), place) == figure, quote


def test_every_line_the_product_quotes_from_a_table_is_proved_above() -> None:
    said = claims()
    quoted = {claim.quote for claim in said.claims.values()} | {week.quote for week in said.warmup}
    quoted |= {line.quote for line in PriceBook.load("seed").lines}
    elsewhere = {
        "└─ Включены в VPS, выделенные на ноду",  # says that there is no figure
        "**Scaling до 5,000 аккаунтов:**",  # the heading of the table
        "- Отправка 3-5 писем между собственными аккаунтами",  # prose, in the audit
        "1. **Email Warmup** (Cron: каждый час, 8:00-20:00)",  # prose, in the audit
        "| n8n self-hosted | 10x снижение стоимости vs SaaS                     |",  # prose, in the audit
    }
    assert quoted - elsewhere == {row[0] for row in FOUND} - {THROUGHPUT}


def test_the_shipped_fleet_is_the_one_the_seed_budgets() -> None:
    assert json.loads(printed("budget", "--book", "seed", "--format", "json"))["quoted_total"] == "335.00"
