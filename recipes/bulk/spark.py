"""Adds a column of translations, summaries or captions to a Parquet table with Apache Spark.

python recipes/bulk/spark.py --model translation-de-en --input in.parquet --output out.parquet
"""

import argparse

import pandas
from pyspark.sql import SparkSession
from s2s_zoo.bulk import Writer


def parse(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("--model", required=True, metavar="NAME")
    add("--input", required=True, metavar="TABLE")
    add("--output", required=True, metavar="TABLE")
    add("--column", default="text", help="where the source is")
    return parser.parse_args(argv)


def main(argv=None):
    args = parse(argv)
    writer = Writer(args.model, args.column)

    def written(frames):
        for frame in frames:
            yield pandas.DataFrame(writer(frame.to_dict("records")))

    spark = SparkSession.builder.appName("s2s-zoo").getOrCreate()
    table = spark.read.parquet(args.input)
    schema = ", ".join(f"`{name}` {kind}" for name, kind in table.dtypes)
    schema += f", {writer.output} string, {writer.error} string"
    table.mapInPandas(written, schema).write.parquet(args.output)


if __name__ == "__main__":
    main()
