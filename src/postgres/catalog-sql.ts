// PostgreSQL's own operators by their full names. A role's search path may find others first, made by
// whoever may create something there (CVE-2018-1058; PostgreSQL manual, section 5.10.3), and setting
// another path would break functions of the host's policies and triggers. So every statement names
// `pg_catalog` for each function, operator, type and collation. That leaves out `IN`, `BETWEEN`,
// `IS DISTINCT FROM`, `CASE x WHEN`, `LIKE` and `USING`, which look operators up by their bare names;
// `ORDER BY`, `GROUP BY`, `UNION` and `greatest` go by the default operator class of the type.

/** `=` */
export const eq = 'OPERATOR(pg_catalog.=)';
/** `<>` */
export const ne = 'OPERATOR(pg_catalog.<>)';
/** `<` */
export const lt = 'OPERATOR(pg_catalog.<)';
/** `<=` */
export const le = 'OPERATOR(pg_catalog.<=)';
/** `>` */
export const gt = 'OPERATOR(pg_catalog.>)';
/** `>=` */
export const ge = 'OPERATOR(pg_catalog.>=)';
/** `LIKE` */
export const like = 'OPERATOR(pg_catalog.~~)';
/** `*=`: whether two rows are the same bytes, NULL being the same as NULL (section 9.25.6). */
export const identical = 'OPERATOR(pg_catalog.*=)';
/** For texts: by their bytes, whatever the database's collation thinks equal. */
export const byBytes = 'COLLATE pg_catalog."C"';
