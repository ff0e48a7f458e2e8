SELECT c_count, count(*) FROM (SELECT c_custkey, count(o_orderkey) AS c_count FROM customer LEFT JOIN orders ON c_custkey = o_custkey AND o_totalprice > 100 GROUP BY c_custkey) GROUP BY c_count
