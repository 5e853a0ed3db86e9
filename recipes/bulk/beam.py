"""Writes a translation, summary or caption of every line with Apache Beam, as JSON lines.

python recipes/bulk/beam.py --model translation-de-en --input 'in-*.txt' --output out/part
Further flags are those of the runner.
"""

import argparse
import json

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
from s2s_zoo.bulk import Writer


def parse(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("--model", required=True, metavar="NAME")
    add("--input", required=True, metavar="FILES")
    add("--output", required=True, metavar="PREFIX")
    return parser.parse_known_args(argv)


def main(argv=None):
    args, runner = parse(argv)
    with beam.Pipeline(options=PipelineOptions(runner)) as pipeline:
        _ = (
            pipeline
            | beam.io.ReadFromText(args.input)
            | beam.Map(lambda line: {"text": line})
            | beam.BatchElements(min_batch_size=64, max_batch_size=4096)
            | beam.FlatMap(Writer(args.model))
            | beam.Map(lambda row: json.dumps(row, ensure_ascii=False))
            | beam.io.WriteToText(args.output, file_name_suffix=".jsonl")
        )


if __name__ == "__main__":
    main()
