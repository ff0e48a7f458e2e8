SELECT n_name, r_name FROM nation LEFT JOIN region ON n_regionkey < r_regionkey UNION ALL SELECT r_name, NULL FROM region LIMIT 7 OFFSET 2
