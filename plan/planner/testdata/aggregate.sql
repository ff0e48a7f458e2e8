SELECT l_orderkey, sum(l_quantity), avg(l_tax), count(DISTINCT l_suppkey) FROM lineitem GROUP BY l_orderkey ORDER BY 2 DESC LIMIT 10
