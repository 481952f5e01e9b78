// Which source files are changed, which test files have to notice, and changes of SQL that no generator makes.
// One lane is enough for what both of them rest on.
const oneLane = '^(?!pgChangeSource)';

/** A source file and the test files that have to fail when it is changed. */
export interface Target {
  readonly file: string;
  /** What is asked of it: all mutants killed, or of `format` 95 of 100. */
  readonly group: 'verdict' | 'tenancy' | 'dedup' | 'format';
  /** The likeliest to fail first. */
  readonly tests: readonly string[];
  /** A pattern for the names of those tests in them that count; all do without it. */
  readonly only?: string;
  /** Changes made by hand: a text that is there once, and what is put in its place. */
  readonly byHand?: readonly (readonly [from: string, to: string])[];
  /** Whether there are only those. */
  readonly isByHandAlone?: true;
}

const verdictTests = [
  'test/archive/many-problems.test.ts',
  'test/archive/vectors.test.ts',
  'test/archive/opened.test.ts',
];

/** In the order in which they are tried. */
export const targets: readonly Target[] = [
  {
    file: 'src/archive/signature.ts',
    group: 'verdict',
    tests: ['test/unit/archive/signature.test.ts'],
  },
  {
    file: 'src/archive/signature-policy.ts',
    group: 'verdict',
    tests: ['test/archive/keys.test.ts', 'test/archive/opened.test.ts'],
  },
  {
    file: 'src/archive/archive-id.ts',
    group: 'verdict',
    tests: ['test/unit/archive/archive-id.test.ts'],
  },
  {
    file: 'src/archive/verify-report.ts',
    group: 'verdict',
    tests: ['test/unit/archive/verify-report.test.ts', 'test/archive/vectors.test.ts'],
  },
  {
    file: 'src/archive/verify.ts',
    group: 'verdict',
    tests: [
      'test/unit/archive/verify-request.test.ts',
      'test/archive/abort.test.ts',
      'test/archive/open.test.ts',
      ...verdictTests,
    ],
  },
  {
    file: 'src/archive/segment-tally.ts',
    group: 'verdict',
    tests: ['test/unit/archive/segment-tally.test.ts'],
  },
  {
    file: 'src/archive/events-check.ts',
    group: 'verdict',
    tests: ['test/unit/archive/events-check.test.ts'],
  },
  {
    file: 'src/archive/verify-events.ts',
    group: 'verdict',
    tests: ['test/unit/archive/verify-events.test.ts', 'test/archive/many-problems.test.ts'],
  },
  {
    file: 'src/archive/deflate-blocks.ts',
    group: 'verdict',
    tests: ['test/unit/archive/deflate-blocks.test.ts'],
  },
  {
    file: 'src/stream/line-bytes.ts',
    group: 'verdict',
    tests: ['test/unit/stream/line-bytes.test.ts', 'test/unit/stream/pushed-chunks.test.ts'],
  },
  {
    file: 'src/stream/pushed-chunks.ts',
    group: 'verdict',
    tests: ['test/unit/stream/pushed-chunks.test.ts'],
  },
  {
    file: 'src/postgres/row-order.ts',
    group: 'tenancy',
    tests: ['test/unit/postgres/row-order.test.ts'],
  },
  {
    file: 'src/postgres/policy-gap.ts',
    group: 'tenancy',
    tests: ['test/unit/postgres/policy-gap.test.ts'],
  },
  {
    file: 'src/postgres/session-settings.ts',
    group: 'tenancy',
    only: oneLane,
    tests: [
      'test/postgres/transaction-settings.test.ts',
      'test/postgres/session-changed.test.ts',
      'test/fault/role-timeouts.test.ts',
    ],
    byHand: [["  row_security: 'on',", '']],
  },
  {
    file: 'src/postgres/scope.ts',
    group: 'tenancy',
    only: oneLane,
    tests: [
      'test/postgres/transaction-settings.test.ts',
      'test/postgres/settings-changed.test.ts',
      'test/postgres/session-changed.test.ts',
      'test/postgres/policy-gaps.test.ts',
      'test/postgres/user-spelling.test.ts',
      'test/fault/missing-objects.test.ts',
    ],
  },
  {
    file: 'src/postgres/user-spelling.ts',
    group: 'tenancy',
    only: oneLane,
    tests: ['test/postgres/user-spelling.test.ts'],
    byHand: [
      ['::pg_catalog.text ${byBytes} ${eq} $1::pg_catalog.text,', ' IS NOT NULL,'],
      ["     WHERE t.typtype ${eq} 'd'", ''],
      [' AND p.amopstrategy ${eq} 3', ' AND p.amopstrategy ${eq} 1'],
      ['              AND ${column}::pg_catalog.text ${byBytes} ${ne} $1::pg_catalog.text', ''],
      ['${column} ${isEqual} ($1::pg_catalog.text)::${declared}', 'true'],
    ],
  },
  {
    file: 'src/postgres/log-facts.ts',
    group: 'tenancy',
    only: oneLane,
    isByHandAlone: true,
    tests: ['test/postgres/policy-gaps.test.ts', 'test/postgres/row-security.test.ts'],
    byHand: [
      ['p.polrelid ${eq} c.oid AND ', ''],
      ["(p.polcmd ${eq} 'r' OR p.polcmd ${eq} '*')", 'true'],
      ["(p.polcmd ${eq} 'r' OR p.polcmd ${eq} '*')", "p.polcmd ${eq} '*'"],
      ["(p.polcmd ${eq} 'r' OR p.polcmd ${eq} '*')", "p.polcmd ${eq} 'r'"],
      ["o.oid ${eq} 0 OR pg_catalog.pg_has_role(o.oid, 'USAGE')", 'true'],
      ["o.oid ${eq} 0 OR pg_catalog.pg_has_role(o.oid, 'USAGE')", 'o.oid ${eq} 0'],
      [
        "o.oid ${eq} 0 OR pg_catalog.pg_has_role(o.oid, 'USAGE')",
        "pg_catalog.pg_has_role(o.oid, 'USAGE')",
      ],
      ["coalesce(pg_catalog.current_setting(m.names[1], true), '') ${eq} ''", 'true'],
      [
        "coalesce(pg_catalog.current_setting(m.names[1], true), '') ${eq} ''",
        'pg_catalog.current_setting(m.names[1], true) IS NULL',
      ],
      ["'${settingName}', 'g')", "'${settingName}')"],
      ["'isActive', pg_catalog.row_security_active(c.oid)", "'isActive', c.relrowsecurity"],
      ["pg_catalog.pg_has_role(c.relowner, 'USAGE')", 'false'],
      ['n.nspname ${eq} $1::pg_catalog.text AND ', ''],
      ['${eq} $3::pg_catalog.text', '${eq} $2::pg_catalog.text'],
    ],
  },
  {
    file: 'src/postgres/export-session.ts',
    group: 'tenancy',
    only: oneLane,
    isByHandAlone: true,
    tests: [
      'test/postgres/row-security.test.ts',
      'test/postgres/settings-changed.test.ts',
      'test/postgres/snapshot.test.ts',
      'test/fault/dirty-client.test.ts',
    ],
    byHand: [
      ['await checkLog(this.#leased, this.#request, this.place);', ''],
      ['await applySettings(this.#leased, this.#request);', ''],
      ['await checkSettings(this.#leased, this.#request, this.#rowCount);', ''],
      ["this.#leased.getTransactionStatus() !== 'I'", 'false'],
      ["await this.#leased.query('COMMIT');", ''],
      ['ISOLATION LEVEL REPEATABLE READ READ ONLY', 'ISOLATION LEVEL READ COMMITTED READ ONLY'],
    ],
  },
  {
    file: 'src/postgres/restore-session.ts',
    group: 'tenancy',
    isByHandAlone: true,
    tests: [
      'test/postgres/restore-refusals.test.ts',
      'test/postgres/session-changed.test.ts',
      'test/fault/another-session.test.ts',
      'test/fault/restore-commit.test.ts',
      'test/fault/restore.test.ts',
    ],
    byHand: [
      ['await this.#answered(checkLog(this.#leased, this.#scope, place));', ''],
      ['await this.#answered(applySettings(this.#leased, this.#scope));', ''],
      ['await this.#answered(checkSettings(this.#leased, this.#scope, lineCount));', ''],
      ['backend !== this.#backend', 'false'],
      ["result.command !== 'COMMIT'", 'false'],
      ['if (!this.#isCommitting) this.fail(reason);', 'this.fail(reason);'],
      ['if (this.#isCommitting) return commitUnknown(rowCount);', ''],
      ['(this.#isCommitting ? commitFailed : sinkFailed)', 'sinkFailed'],
      ['this.#hasCommitted = true;', ''],
    ],
  },
  {
    file: 'src/postgres/restore-lock.ts',
    group: 'tenancy',
    tests: ['test/postgres/restore-host-tables.test.ts', 'test/fault/restore.test.ts'],
  },
  {
    file: 'src/postgres/restore-conflict.ts',
    group: 'dedup',
    tests: ['test/unit/postgres/restore-conflict.test.ts'],
  },
  {
    file: 'src/postgres/restore-plan.ts',
    group: 'dedup',
    tests: [
      'test/postgres/restore-planning.test.ts',
      'test/postgres/restore-conflicts.test.ts',
      'test/postgres/restore-archive.test.ts',
      'test/postgres/restore-host-tables.test.ts',
    ],
  },
  {
    file: 'src/postgres/stage-sql.ts',
    group: 'dedup',
    isByHandAlone: true,
    tests: [
      'test/postgres/restore-conflicts.test.ts',
      'test/postgres/restore-host-tables.test.ts',
      'test/postgres/restore-archive.test.ts',
    ],
    byHand: [
      ["this.#isOneTransaction ? ' ON COMMIT DROP' : ''", "''"],
      ["this.#isOneTransaction ? ' ON COMMIT DROP' : ''", "' ON COMMIT DROP'"],
      [
        'DROP TABLE IF EXISTS ${stage}, ${skip}, ${again}',
        'DROP TABLE IF EXISTS ${stage}, ${skip}',
      ],
      ['(NOT EXISTS (SELECT FROM', '(EXISTS (SELECT FROM'],
      [
        ' AS e WHERE e.${userId}::pg_catalog.text ${eq} $1::pg_catalog.text))',
        ' AS e WHERE $1::pg_catalog.text IS NULL))',
      ],
      [
        "THEN '${lineKinds.repeated}' ELSE '${lineKinds.repeatedOtherwise}'",
        "THEN '${lineKinds.repeated}' ELSE '${lineKinds.repeated}'",
      ],
      ['pg_catalog.min(line)', 'pg_catalog.max(line)'],
      ['pg_catalog.count(*) ${gt} 1)', 'pg_catalog.count(*) ${gt} 2)'],
      ['s.line ${gt} d.line', 's.line OPERATOR(pg_catalog.>=) d.line'],
      [
        'WHEN ${any(`${version} ${lt} $2::pg_catalog.int4`)}',
        'WHEN ${any(`${version} OPERATOR(pg_catalog.<=) $2::pg_catalog.int4`)}',
      ],
      [
        'WHEN ${any(`${version} ${lt} $2::pg_catalog.int4`)}',
        'WHEN ${any(`true OR ${version} ${lt} $2::pg_catalog.int4`)}',
      ],
      [
        'isUnique ? condition : `pg_catalog.bool_or(${condition})`',
        'isUnique ? condition : `pg_catalog.bool_and(${condition})`',
      ],
      [
        'WHERE e.${quoteIdentifier(columns.userId)}::pg_catalog.text ${eq} $1::pg_catalog.text\n       AND NOT',
        'WHERE $1::pg_catalog.text IS NOT NULL\n       AND NOT',
      ],
      ['       AND NOT EXISTS (SELECT FROM ${skip} AS k WHERE k.line ${eq} s.line)\n', ''],
      ["WHERE kind ${eq} '${lineKinds.undecided}' AND line", 'WHERE line'],
      [
        'AND line ${gt} $2::pg_catalog.int4 ORDER BY line LIMIT',
        'AND line ${gt} $2::pg_catalog.int4 LIMIT',
      ],
      [
        'WHERE c.${quoteIdentifier(columns.userId)}::pg_catalog.text ${eq} $1::pg_catalog.text',
        'WHERE $1::pg_catalog.text IS NOT NULL',
      ],
      ['     ORDER BY k.line`;\n  }', '`;\n  }'],
      ['WHERE s.line ${eq} k.line AND ${sameStaged', 'WHERE ${sameStaged'],
      [
        "WHERE s.line ${eq} k.line AND ${sameStaged(this.#log, 's', 'f')})",
        'WHERE s.line ${eq} k.line)',
      ],
      ["     WHERE k.kind ${eq} '${lineKinds.undecided}'`", '`'],
      [" OR k.kind ${eq} '${lineKinds.presentOtherwise}'", ''],
      ["k.kind ${eq} '${lineKinds.repeatedOtherwise}' OR ", ''],
      ['ORDER BY k.line LIMIT $1', 'ORDER BY k.line DESC LIMIT $1'],
      [' LIMIT $1::pg_catalog.int8', ' OFFSET 0 * $1::pg_catalog.int8'],
    ],
  },
  {
    file: 'src/postgres/slice-sql.ts',
    group: 'dedup',
    isByHandAlone: true,
    tests: [
      'test/postgres/restore-host-tables.test.ts',
      'test/postgres/restore-conflicts.test.ts',
      'test/postgres/restore-narrow-columns.test.ts',
    ],
    byHand: [
      [
        'FROM ${stage} AS s WHERE ${this.#slice} ORDER BY s.line',
        'FROM ${stage} AS s WHERE ${this.#slice}',
      ],
      ["DO NOTHING` : ''}`", "DO NOTHING` : 'ON CONFLICT DO NOTHING'}`"],
      ["ON CONFLICT (${key.map(quoteIdentifier).join(', ')}) DO NOTHING", 'ON CONFLICT DO NOTHING'],
      [
        '     WHERE ${this.#slice} AND e.${quoteIdentifier(columns.userId)}::pg_catalog.text ${eq} $1::pg_catalog.text',
        '     WHERE ${this.#slice}',
      ],
      ['     WHERE ${this.#slice} AND e.', '     WHERE e.'],
      ['       AND ${sameAsLog(this.#log)}`;\n  }', '`;\n  }'],
      ['WHERE ${given} IS NOT NULL\n                AND (', 'WHERE ('],
      ['::pg_catalog.text ${byBytes} ${eq} (${given})', '::pg_catalog.text ${eq} (${given})'],
      ['IS NOT TRUE`,', 'IS NULL`,'],
      ['pg_catalog.min(s.line)::pg_catalog.text', 'pg_catalog.max(s.line)::pg_catalog.text'],
      [
        'WHERE ${this.#slice} AND EXISTS (${this.#ofLine} AND ${sameAsLog(this.#log)})',
        'WHERE ${this.#slice} AND EXISTS (${this.#ofLine})',
      ],
      ['WHERE ${this.#slice} AND EXISTS (', 'WHERE EXISTS ('],
      [
        "THEN '${lineKinds.presentOtherwise}' ELSE '${lineKinds.unavailable}'",
        "THEN '${lineKinds.presentOtherwise}' ELSE '${lineKinds.presentOtherwise}'",
      ],
      [
        "THEN '${lineKinds.presentOtherwise}' ELSE '${lineKinds.unavailable}'",
        "THEN '${lineKinds.unavailable}' ELSE '${lineKinds.unavailable}'",
      ],
      [
        'AND NOT EXISTS (${this.#ofLine} AND ${sameAsLog(this.#log)})',
        'AND NOT EXISTS (${this.#ofLine})',
      ],
      ['     WHERE ${this.#slice} AND NOT EXISTS', '     WHERE NOT EXISTS'],
      [
        '               AND e.${quoteIdentifier(columns.userId)}::pg_catalog.text ${eq} $1::pg_catalog.text`',
        '               AND $1::pg_catalog.text IS NOT NULL`',
      ],
      ['this.#written.columns.get(columns.data)?.isNotNull === true', 'false'],
      ['this.#written.columns.get(columns.data)?.isNotNull === true', 'true'],
      ['if (this.#isOf(column, lossless[type] ?? [])) continue;', "if (column !== '') continue;"],
      ["if (this.#isOf(column, ['jsonb'])) continue;", "if (column !== '') continue;"],
      ["text: ['text', 'varchar']", "text: ['text', 'varchar', 'name', 'bpchar']"],
      ["timestamptz: ['timestamptz']", "timestamptz: ['timestamptz', 'date']"],
      ["int4: ['int4', 'int8', 'numeric']", "int4: ['int4', 'int8', 'numeric', 'int2']"],
      ["[builtIn('jsonb'), builtIn('json')].includes(base)", 'false'],
    ],
  },
  {
    file: 'src/postgres/stage-columns.ts',
    group: 'dedup',
    isByHandAlone: true,
    tests: [
      'test/postgres/restore-conflicts.test.ts',
      'test/postgres/restore-host-tables.test.ts',
      'test/postgres/restore-archive.test.ts',
      'test/postgres/restore-law.test.ts',
    ],
    byHand: [
      ...(
        [
          'appId',
          'tableName',
          'recordId',
          'op',
          'data',
          'fieldTimestamps',
          'clientId',
          'createdAt',
          'schemaVersion',
        ] as const
      ).map((member): readonly [string, string] => [
        "member !== 'id')",
        `member !== 'id' && member !== '${member}')`,
      ]),
      [
        "return [...parts, ...extra].join(' AND ');\n}\n\n/** Whether two",
        "return [...parts].join(' AND ');\n}\n\n/** Whether two",
      ],
      [
        "return [...parts, ...extra].join(' AND ');\n}\n\n/** Whether `s`",
        "return [...parts].join(' AND ');\n}\n\n/** Whether `s`",
      ],
      [
        "type === 'jsonb' ? sameJson(`${a}.${name}`, `${b}.${name}`) :",
        "type === 'jsonb' ? 'true' :",
      ],
      ['s.line ${le} ${until}', 's.line OPERATOR(pg_catalog.<) ${until}'],
      ['s.line ${gt} ${after}', 's.line OPERATOR(pg_catalog.>=) ${after}'],
      ['`${slice} AND NOT EXISTS (SELECT FROM ${skip} AS k WHERE k.line ${eq} s.line)`', 'slice'],
      [
        'greatest(coalesce(${column}::pg_catalog.int4, 1), 1)',
        'coalesce(${column}::pg_catalog.int4, 1)',
      ],
      ['greatest(coalesce(${column}::pg_catalog.int4, 1), 1)', '${column}::pg_catalog.int4'],
      ["${value} ${eq} 'null'::pg_catalog.jsonb OR ", ''],
      [" OR ${value} ${eq} '{}'::pg_catalog.jsonb", ''],
      [' OR ${sameImage(`(${a})::pg_catalog.text`, `(${b})::pg_catalog.text`)}', ''],
    ],
  },
  {
    file: 'src/format/position.ts',
    group: 'format',
    tests: ['test/unit/format/position.test.ts'],
  },
  {
    file: 'src/format/line-order.ts',
    group: 'format',
    tests: ['test/unit/format/line-order.test.ts'],
  },
  {
    file: 'src/format/schema-version.ts',
    group: 'format',
    tests: ['test/unit/format/schema-version.test.ts'],
  },
  {
    file: 'src/format/timestamp.ts',
    group: 'format',
    tests: ['test/unit/format/timestamp.test.ts'],
  },
  {
    file: 'src/format/repeated-names.ts',
    group: 'format',
    tests: ['test/unit/format/repeated-names.test.ts'],
  },
  {
    file: 'src/format/sync-change.ts',
    group: 'format',
    tests: ['test/unit/format/sync-change.test.ts'],
  },
  {
    file: 'src/format/to-export-line.ts',
    group: 'format',
    tests: ['test/unit/format/to-export-line.test.ts'],
  },
  {
    file: 'src/format/upcast.ts',
    group: 'format',
    tests: ['test/unit/format/upcast.test.ts'],
  },
  {
    file: 'src/format/json-scan.ts',
    group: 'format',
    tests: ['test/unit/format/json-scan.test.ts'],
  },
];
