// JavaScript values to JSON text, without loss and without recursion: what JSON.stringify would
// round, drop or overflow on is written or refused.

import { RawJson } from './raw-json.js';

/** Why a value cannot be written. Internal: callers turn it into their own typed error. */
export class JsonEncodeError extends Error {}

// What is still to be written, innermost last: text, a value, or the end of a container.
type Step =
  { readonly text: string } | { readonly value: unknown } | { readonly closes: readonly object[] };

interface EncodeState {
  readonly parts: string[];
  readonly open: Set<object>;
  readonly pending: Step[];
}

/**
 * The JSON text of a value. `RawJson` is written as it is, `bigint` with all its digits, `Date` and
 * whatever has a `toJSON` as `JSON.stringify` does; members that are undefined are left out.
 *
 * @throws JsonEncodeError for NaN and infinities, undefined in an array, functions, symbols,
 * unpaired surrogates, NUL, and a value that contains itself
 */
export function encodeJson(root: unknown): string {
  const state: EncodeState = { parts: [], open: new Set(), pending: [{ value: root }] };
  for (let next = state.pending.pop(); next !== undefined; next = state.pending.pop()) {
    if ('text' in next) state.parts.push(next.text);
    else if ('value' in next) encodeOne(next.value, state);
    else for (const closed of next.closes) state.open.delete(closed);
  }
  return state.parts.join('');
}

function encodeOne(given: unknown, state: EncodeState): void {
  const value = withToJson(given);
  if (value instanceof RawJson) {
    state.parts.push(value.text);
    return;
  }
  switch (typeof value) {
    case 'string':
      state.parts.push(encodeText(value));
      return;
    case 'number':
      if (!Number.isFinite(value)) throw new JsonEncodeError('a number is not finite');
      state.parts.push(Object.is(value, -0) ? '-0' : String(value));
      return;
    case 'boolean':
    case 'bigint':
      state.parts.push(String(value));
      return;
    case 'object':
      if (value === null) state.parts.push('null');
      else openContainer(value, given as object, state);
      return;
    default:
      throw new JsonEncodeError(`a value of type ${typeof value} has no JSON text`);
  }
}

// toJSON may make a new object each time, so `given`, which it was called on, counts as open too.
function openContainer(value: object, given: object, { open, pending }: EncodeState): void {
  if (open.has(value) || open.has(given)) throw new JsonEncodeError('a value contains itself');
  open.add(value).add(given);
  const steps = Array.isArray(value) ? arraySteps(value) : objectSteps(value);
  steps.push({ closes: [value, given] });
  for (const step of steps.reverse()) pending.push(step);
}

function arraySteps(elements: readonly unknown[]): Step[] {
  const steps: Step[] = [{ text: '[' }];
  // Not forEach, which would pass over holes.
  for (const [index, element] of elements.entries()) {
    if (index > 0) steps.push({ text: ',' });
    steps.push({ value: element });
  }
  steps.push({ text: ']' });
  return steps;
}

function objectSteps(value: object): Step[] {
  // A Map, a Set or a class instance would be written as {} or in part.
  if (!isPlain(value)) throw new JsonEncodeError('an object is neither plain nor has a toJSON');
  const steps: Step[] = [{ text: '{' }];
  for (const [name, member] of Object.entries(value)) {
    if (member === undefined) continue;
    steps.push({ text: `${steps.length > 1 ? ',' : ''}${encodeText(name)}:` }, { value: member });
  }
  steps.push({ text: '}' });
  return steps;
}

/** Whether an object has no members but those that are seen: `{}` and the like, of any realm. */
export function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

function withToJson(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || value instanceof RawJson) return value;
  if (!('toJSON' in value)) return value;
  return typeof value.toJSON === 'function' ? (value.toJSON as () => unknown)() : value;
}

// Only then do quotes alone make a JSON string out of a text.
// eslint-disable-next-line no-control-regex -- control characters are what is looked for
const needsCare = /[\u0000-\u001f"\\\ud800-\udfff]/;

/** The JSON string of a text; see {@link escapeText}. */
function encodeText(text: string): string {
  return `"${escapeText(text)}"`;
}

/**
 * What stands between the quotes of a text's JSON string, as `JSON.stringify` writes it.
 *
 * @throws JsonEncodeError for an unpaired surrogate or NUL, which Postgres cannot hold
 */
export function escapeText(text: string): string {
  if (!needsCare.test(text)) return text;
  if (!text.isWellFormed()) throw new JsonEncodeError('a text holds an unpaired surrogate');
  if (text.includes('\0')) throw new JsonEncodeError('a text holds NUL');
  return JSON.stringify(text).slice(1, -1);
}
