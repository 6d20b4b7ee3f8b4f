"""The rendered copies of the values files in k8s/rendered, for who uses no Helm: python -m tests.chart.copies"""

from __future__ import annotations

from tests.chart.rendering import CASES, FILES, ROOT, render


def copied(name: str) -> str:
    """What `helm template arcus helm/arcus --values helm/values/NAME.yaml` prints, without what is empty."""
    rendered = render(CASES[name])
    head = f"# helm template arcus helm/arcus --namespace arcus --values helm/values/{name}.yaml\n"
    return head + "".join(
        f"---\n# {template.removeprefix('arcus/')}\n{text.strip()}\n"
        for template, text in sorted(rendered.items())
        if template.endswith(".yaml") and text.strip() and "/tests/" not in template
    )


if __name__ == "__main__":
    for name in FILES:
        (ROOT / "k8s" / "rendered" / f"{name}.yaml").write_text(copied(name))
