package settings

// Keys of how queries are planned again while they run, and of joins.
const (
	BroadcastRows         = "sql.broadcast.rows"
	ExchangeReuse         = "sql.exchange.reuse"
	Adaptive              = "sql.adaptive.enabled"
	AdaptiveCoalesce      = "sql.adaptive.coalesce.enabled"
	AdaptiveLeast         = "sql.adaptive.coalesce.least"
	AdaptiveAdvisory      = "sql.adaptive.advisory.size"
	AdaptiveBroadcast     = "sql.adaptive.broadcast.threshold"
	AdaptiveShuffle       = "sql.adaptive.broadcast.limit"
	AdaptiveLocalRead     = "sql.adaptive.localread.enabled"
	AdaptiveEmpty         = "sql.adaptive.empty.enabled"
	AdaptiveSkew          = "sql.adaptive.skew.enabled"
	AdaptiveSkewFactor    = "sql.adaptive.skew.factor"
	AdaptiveSkewThreshold = "sql.adaptive.skew.threshold"
)

func adaptive() []Setting {
	return []Setting{
		{BroadcastRows, "500000", "estimated rows up to which a side of a join goes whole to each of several executors; more do where that moves less; 0 for never", whole(0, 1<<40)},
		{ExchangeReuse, "true", "whether what a query needs at several places, exchanged alike, is computed and exchanged once, true or false", truth},
		{Adaptive, "true", "whether the rest of a query is planned again from what its stages have written, true or false", truth},
		{AdaptiveCoalesce, "true", "whether small partitions are read together", truth},
		{AdaptiveLeast, "256KiB", "size below which partitions are read together even if slots stay idle", size(1)},
		{AdaptiveAdvisory, "8MiB", "size up to which partitions are read together, and of the parts of skewed ones at least", size(1)},
		{AdaptiveBroadcast, "10MiB", "size up to which an exchanged side of a join goes whole to each of several executors after all; 0B for never", size(0)},
		{AdaptiveSkew, "true", "whether skewed partitions are read by several tasks, in joins and aggregates", truth},
		{AdaptiveSkewFactor, "5", "how many times the median a partition has that is skewed", whole(1, 1<<20)},
		{AdaptiveSkewThreshold, "16MiB", "size that a skewed partition has at least", size(1)},
		{AdaptiveShuffle, "256MiB", "size above which a side of a join that was to go whole to each executor is exchanged after all, or a quarter of an executor's memory if that is less; 0B for never", size(0)},
		{AdaptiveLocalRead, "true", "whether the other side of a join that got such a side is read where it lies", truth},
		{AdaptiveEmpty, "true", "whether what joins and groups nothing is left out", truth},
	}
}
