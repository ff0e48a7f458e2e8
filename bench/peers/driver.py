"""Runs one rival of Millrace for the benchmark harness.

Requests come as lines of JSON on standard input, answers go as lines of JSON to
standard output; bench/harness documents both. What an engine prints goes to
standard error. Every engine runs with the settings that its own documentation
recommends for speed on one machine; open() answers with them.
"""

import datetime
import decimal
import glob
import json
import os
import resource
import shutil
import sys
import time

FULL_ROWS = 100_000  # larger results are answered as a sample
SAMPLE = 1_000  # rows of a sample, and the last one


class Unavailable(Exception):
    """What an engine needs is not there; the message says what to do."""


def files(path):
    """What to read for a table: a file, or the files of a folder."""
    return os.path.join(path, "*.parquet") if os.path.isdir(path) else path


def empty(path):
    """Removes the output of an earlier run."""
    if os.path.isdir(path):
        shutil.rmtree(path)
    elif os.path.exists(path):
        os.remove(path)


class DuckDB:
    def open(self, threads, memory, scratch):
        import duckdb

        self.con = duckdb.connect()
        self.ordered = not memory  # its guide says so for work beyond memory
        settings = {"threads": threads, "temp_directory": scratch, "parquet_metadata_cache": True, "preserve_insertion_order": self.ordered}
        if memory:
            settings["memory_limit"] = f"{memory // 1024}KiB"
        for key, value in settings.items():
            self.con.execute(f"SET {key} = {quoted(value)}")
        del settings["temp_directory"]
        return duckdb.__version__, settings

    def table(self, name, path):
        self.con.execute(f"CREATE OR REPLACE VIEW {name} AS SELECT * FROM read_parquet({quoted(files(path))})")

    def sql(self, text):
        # con.sql copies large results once less, but plans every query twice.
        return self.con.execute(text).to_arrow_table()

    def convert(self, csv, out, columns):
        types = ", ".join(f"{quoted(n)}: {quoted(t)}" for n, t in columns)
        # The rows of the file need no order, which lets DuckDB write in parallel.
        self.con.execute("SET preserve_insertion_order = false")
        self.con.execute(
            f"COPY (SELECT * FROM read_csv({quoted(csv)}, header = true, columns = {{{types}}})) "
            f"TO {quoted(out)} (FORMAT parquet, COMPRESSION snappy)"
        )
        self.con.execute(f"SET preserve_insertion_order = {self.ordered}")

    def copy(self, name, out):
        self.con.execute(f"COPY (SELECT * FROM {name}) TO {quoted(out)} (FORMAT parquet, COMPRESSION snappy, ROW_GROUP_SIZE 122880)")


class Polars:
    def open(self, threads, memory, scratch):
        os.environ["POLARS_MAX_THREADS"] = str(threads)
        os.environ["POLARS_TEMP_DIR"] = scratch
        import polars

        self.pl = polars
        self.ctx = polars.SQLContext()
        return polars.__version__, {"POLARS_MAX_THREADS": threads, "engine": "streaming"}

    def table(self, name, path):
        self.ctx.register(name, self.pl.scan_parquet(files(path)))

    def sql(self, text):
        return self.ctx.execute(text, eager=False).collect(engine="streaming").to_arrow()

    def convert(self, csv, out, columns):
        frame = self.pl.scan_csv(csv, schema={n: self.type(t) for n, t in columns})
        frame.sink_parquet(out, compression="snappy")

    def type(self, t):
        pl = self.pl
        if t.startswith("DECIMAL"):
            precision, scale = t[len("DECIMAL(") : -1].split(",")
            return pl.Decimal(int(precision), int(scale))
        return {"BIGINT": pl.Int64, "INT": pl.Int32, "VARCHAR": pl.String, "DATE": pl.Date}[t]


class DataFusion:
    def open(self, threads, memory, scratch):
        import datafusion

        config = datafusion.SessionConfig().with_target_partitions(threads)
        runtime = datafusion.RuntimeEnvBuilder().with_disk_manager_specified(scratch)
        if memory:
            runtime = runtime.with_fair_spill_pool(memory)
        # Pushing filters into the decoding of Parquet is off by default, and 3 % to
        # 9 % slower over TPC-H when it is on.
        settings = {"target_partitions": threads}
        self.ctx = datafusion.SessionContext(config, runtime)
        if memory:
            settings["fair_spill_pool"] = memory
        return datafusion.__version__, settings

    def table(self, name, path):
        if self.ctx.table_exist(name):
            self.ctx.deregister_table(name)
        self.ctx.register_parquet(name, path + "/" if os.path.isdir(path) else path)

    def sql(self, text):
        import pyarrow

        frame = self.ctx.sql(text)
        return pyarrow.Table.from_batches(frame.collect(), schema=frame.schema())

    def convert(self, csv, out, columns):
        frame = self.ctx.read_csv(csv, schema=arrow_schema(columns), has_header=True, file_extension=".csv")
        frame.write_parquet(out, compression="snappy")


class Spark:
    def open(self, threads, memory, scratch):
        if not os.environ.get("JAVA_HOME") and not shutil.which("java"):
            raise Unavailable("Spark needs Java 17 or later, and there is no java on the path and no JAVA_HOME")
        import pyspark
        from pyspark.sql import SparkSession

        memory = memory or os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2  # the default is 1 GiB
        settings = {
            "spark.driver.memory": f"{memory >> 20}m",
            "spark.sql.shuffle.partitions": 2 * threads,  # the default of 200 is for clusters
            "spark.sql.adaptive.enabled": "true",
            "spark.serializer": "org.apache.spark.serializer.KryoSerializer",
            "spark.driver.maxResultSize": 0,
            "spark.sql.execution.arrow.pyspark.enabled": "true",
        }
        builder = SparkSession.builder.master(f"local[{threads}]").appName("bench")
        quiet = {"spark.ui.enabled": "false", "spark.ui.showConsoleProgress": "false", "spark.local.dir": scratch, "spark.sql.warehouse.dir": scratch}
        for key, value in (settings | quiet).items():
            builder = builder.config(key, value)
        self.spark = builder.getOrCreate()
        self.spark.sparkContext.setLogLevel("ERROR")
        return pyspark.__version__, {"master": f"local[{threads}]"} | settings

    def table(self, name, path):
        self.spark.read.parquet(path).createOrReplaceTempView(name)

    def sql(self, text):
        return self.spark.sql(text).toArrow()

    def convert(self, csv, out, columns):
        ddl = ", ".join(f"{n} {t.replace('VARCHAR', 'STRING')}" for n, t in columns)
        self.spark.read.schema(ddl).option("header", "true").csv(csv).write.option("compression", "snappy").parquet(out)


ENGINES = {"duckdb": DuckDB, "polars": Polars, "datafusion": DataFusion, "spark": Spark}


def quoted(value):
    return "'" + str(value).replace("'", "''") + "'"


def arrow_schema(columns):
    import pyarrow as pa

    plain = {"BIGINT": pa.int64(), "INT": pa.int32(), "VARCHAR": pa.string(), "DATE": pa.date32()}

    def of(t):
        if t.startswith("DECIMAL"):
            precision, scale = t[len("DECIMAL(") : -1].split(",")
            return pa.decimal128(int(precision), int(scale))
        return plain[t]

    return pa.schema([(n, of(t)) for n, t in columns])


def kind(t):
    """The harness' name of an Arrow type."""
    import pyarrow.types as at

    if at.is_decimal(t):
        return f"decimal({t.precision},{t.scale})"
    if at.is_dictionary(t):
        return kind(t.value_type)
    names = ((at.is_boolean, "boolean"), (at.is_integer, "bigint"), (at.is_floating, "double"), (at.is_date, "date"), (at.is_timestamp, "timestamp"))
    return next((name for test, name in names if test(t)), "string")


def text(v):
    """A value as text: numbers plainly, dates and times in ISO form, null as None."""
    if v is None or isinstance(v, str):
        return v
    if isinstance(v, bool):
        return "true" if v else "false"
    if isinstance(v, decimal.Decimal):
        return format(v, "f")
    if isinstance(v, datetime.datetime):
        return v.isoformat(" ")
    return repr(v) if isinstance(v, float) else str(v)


def answer(table):
    """The columns and rows of a result; of large ones a sample at fixed places."""
    n = table.num_rows
    places = None if n <= FULL_ROWS else [i * n // SAMPLE for i in range(SAMPLE)] + [n - 1]
    part = table
    if places is not None:
        import pyarrow

        part = pyarrow.concat_tables([table.slice(i, 1) for i in places])
    columns = [c.to_pylist() for c in part.columns]
    return {
        "columns": [{"name": f.name, "type": kind(f.type)} for f in table.schema],
        "rows": [[text(v) for v in row] for row in zip(*columns)],
        "sampled": places is not None,
    }


def cpu():
    """Seconds of processor time of this process and its living children."""
    own = resource.getrusage(resource.RUSAGE_SELF)
    total = own.ru_utime + own.ru_stime
    tick = os.sysconf("SC_CLK_TCK")
    for path in glob.glob("/proc/self/task/*/children"):
        try:
            with open(path) as f:
                children = f.read().split()
            for pid in children:
                with open(f"/proc/{pid}/stat") as f:
                    fields = f.read().rpartition(")")[2].split()
                total += (int(fields[11]) + int(fields[12])) / tick
        except OSError:  # the thread or child has just ended
            pass
    return total


class Driver:
    def __init__(self, engine):
        self.engine = ENGINES[engine]()

    def timed(self, run):
        before, start = cpu(), time.perf_counter()
        result = run()
        return result, {"ms": (time.perf_counter() - start) * 1e3, "cpu_ms": (cpu() - before) * 1e3}

    def open(self, r):
        if hasattr(os, "sched_setaffinity"):
            cores = sorted(os.sched_getaffinity(0))
            if r["threads"] < len(cores):
                os.sched_setaffinity(0, cores[: r["threads"]])
        try:
            version, settings = self.engine.open(r["threads"], r.get("memory", 0), r["scratch"])
        except ModuleNotFoundError as e:
            raise Unavailable(f"the package {e.name} is not installed; `make peers` or, for Spark, `make peers-spark` does it")
        for name, path in r["tables"].items():
            self.engine.table(name, path)
        return {"version": version, "settings": {k: str(v) for k, v in settings.items()}}

    def run(self, r):
        table, out = self.timed(lambda: self.engine.sql(r["sql"]))
        out["count"] = table.num_rows
        return out | answer(table) if r.get("rows") else out

    def convert(self, r):
        empty(r["out"])
        _, out = self.timed(lambda: self.engine.convert(r["csv"], r["out"], [(c["name"], c["type"]) for c in r["columns"]]))
        if r.get("rows"):
            self.engine.table("converted", r["out"])
            table = self.engine.sql(r["sql"])
            out |= answer(table) | {"count": table.num_rows}
        return out

    def copy(self, r):
        for name in r["tables"]:
            self.engine.copy(name, r["tables"][name])
        return {}


def main():
    replies = os.fdopen(os.dup(1), "w")  # what engines print must not be among the answers
    os.dup2(2, 1)
    driver = Driver(sys.argv[1])
    for line in sys.stdin:
        request = json.loads(line)
        try:
            reply = getattr(driver, request["op"])(request)
        except BaseException as e:  # Rust's panics are no Exceptions
            if isinstance(e, KeyboardInterrupt):
                return
            first = str(e).strip().split("\n")[0]
            reply = {"error": (first if isinstance(e, Unavailable) else f"{type(e).__name__}: {first}")[:400]}
        replies.write(json.dumps(reply) + "\n")
        replies.flush()


if __name__ == "__main__":
    main()
