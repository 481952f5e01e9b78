// What opens a sealed archive, checked before anything is touched: the package that knows the rest is
// not loaded yet.

import { integerOption } from '../options.js';

/** The options of sealing, or of unsealing, that say what opens the archive. */
export interface SealSecrets {
  readonly passphrase: unknown;
  /** What may stand instead: its name, its value, and the form that each of them has. */
  readonly keys: { readonly name: string; readonly list: unknown; readonly form: RegExp };
  /** The work of a passphrase: the option's name and value. */
  readonly work: { readonly name: string; readonly value: unknown };
}

/** `age1…`: what age calls recipients, all in lower case; the checksum at their end is not looked at. */
export const recipientForm = /^age1[02-9ac-hj-np-z1]{58,}$/;

/** `AGE-SECRET-KEY-1…`: what age calls identities. */
export const identityForm = /^AGE-SECRET-KEY-(?:PQ-)?1[02-9AC-HJ-NP-Z]{58}$/;

/**
 * Checks that there is either a passphrase or keys, and no option that would do nothing.
 *
 * @throws TypeError or RangeError, which do not quote them
 */
export function checkSecrets({ passphrase, keys, work }: SealSecrets): void {
  const { name, list, form } = keys;
  if ((passphrase === undefined) === (list === undefined)) {
    throw new TypeError(`give either passphrase or ${name}`);
  }
  if (passphrase !== undefined && (typeof passphrase !== 'string' || passphrase === '')) {
    throw new TypeError('passphrase must be a non-empty text');
  }
  if (list !== undefined) {
    if (work.value !== undefined) {
      throw new TypeError(`${work.name} is of a passphrase: with ${name} it would do nothing`);
    }
    checkKeys(name, list, form);
  }
  if (work.value !== undefined) integerOption(work.name, work.value, { min: 1, max: 20 });
}

function checkKeys(name: string, list: unknown, form: RegExp): void {
  if (!Array.isArray(list) || list.length === 0) {
    throw new TypeError(`${name} must be a list of texts`);
  }
  for (const [index, key] of list.entries()) {
    if (typeof key !== 'string' || !form.test(key)) throw new TypeError(notKeys(name, index));
  }
}

/** What a list of keys should have been, for errors. */
export function notKeys(name: string, index: number): string {
  const start = name === 'recipients' ? 'age1…' : 'AGE-SECRET-KEY-1…';
  return `${name}[${index}] must be one of age's: ${start}`;
}
