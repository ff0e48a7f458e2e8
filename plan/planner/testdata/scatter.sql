-- One task makes a large build side: several executors hand it out together.
SELECT count(*), max(o_comment) FROM lineitem JOIN (SELECT o_orderkey, o_comment FROM orders LIMIT 400000) o ON l_orderkey = o_orderkey
