#!/usr/bin/env python3
"""Prints template.yaml as CloudFormation sees it on AWS, after the SAM transform, for checkov."""

from __future__ import annotations

import json
from typing import Any

from samcli.yamlhelper import yaml_parse
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator

from engine import ROOT

ANSWERS = {"Stage": "prod", "JwtIssuer": "https://issuer.example"}


def main() -> None:
    template: dict[str, Any] = yaml_parse((ROOT / "template.yaml").read_text())
    # The translator wants packaged code, as `sam deploy` would have uploaded it.
    template["Globals"]["Function"]["CodeUri"] = "s3://bucket/code.zip"
    template["Resources"]["FfmpegLayer"]["Properties"]["ContentUri"] = "s3://bucket/layer.zip"
    defaults = {k: p["Default"] for k, p in template["Parameters"].items() if "Default" in p}
    translator = Translator(managed_policy_map={}, sam_parser=Parser())
    transformed = translator.translate(template, parameter_values={**defaults, **ANSWERS})
    print(json.dumps(transformed, indent=1))


if __name__ == "__main__":
    main()
