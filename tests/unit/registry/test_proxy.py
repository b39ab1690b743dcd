from __future__ import annotations

import pytest

from buildbox.registry.proxy import proxy_for

ENV = {
    "https_proxy": "http://proxy.example:3128",
    "no_proxy": "corp.example, .dot.example,10.0.0.0/8,x.example:8443",
}


@pytest.mark.parametrize(
    ("url", "proxy"),
    [
        ("https://registry.example/v2/", "http://proxy.example:3128"),
        ("http://registry.example/v2/", None),
        ("https://corp.example/", None),
        ("https://a.corp.example/", None),
        ("https://notcorp.example/", "http://proxy.example:3128"),
        ("https://a.dot.example/", None),
        ("https://10.1.2.3:5000/", None),
        ("https://11.1.2.3/", "http://proxy.example:3128"),
        ("https://x.example:8443/", None),
        ("https://x.example/", "http://proxy.example:3128"),
        ("https://localhost:5000/", None),
        ("https://127.0.0.1/", None),
        ("https://[::1]:5000/", None),
    ],
)
def test_the_way_to_a_url(url: str, proxy: str | None) -> None:
    assert proxy_for(url, ENV) == proxy


def test_how_it_may_be_written() -> None:
    url = "https://registry.example/"
    assert proxy_for(url, {}) is None
    assert proxy_for(url, {"HTTPS_PROXY": "p:1"}) == "http://p:1"
    assert proxy_for(url, {"all_proxy": "http://p:1"}) == "http://p:1"
    assert proxy_for(url, {"https_proxy": "http://p:1", "NO_PROXY": "*"}) is None
    assert proxy_for(url, {"https_proxy": "http://p:1", "NO_PROXY": "*.example"}) is None
    assert proxy_for(url, {"https_proxy": ""}) is None
