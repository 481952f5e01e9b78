// What a line is, said the slow and plain way: the oracle that readers of bytes are held against.
import { exportLineSchema } from '../../src/index.js';

/**
 * Whether a text is a valid line; undefined where a name is there twice in one object, of which JSON.parse
 * shows only the last.
 */
export function isPlainlyValid(text: string): boolean | undefined {
  if (!text.isWellFormed()) return false;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return false;
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const members = value as Record<string, unknown>;
  if (holdsRepeatedName(text)) return undefined;
  if (!holdsStorableText(value)) return false;
  const { schemaVersion: version } = members;
  const isVersion =
    version === undefined ||
    (typeof version === 'number' && Number.isInteger(version) && version < 2 ** 31);
  const schemaVersion = typeof version === 'number' && version > 0 ? version : 1;
  return (
    isVersion && exportLineSchema.safeParse({ ...members, schemaVersion, extra: undefined }).success
  );
}

function holdsStorableText(value: unknown): boolean {
  if (typeof value === 'string') return value.isWellFormed() && !value.includes('\0');
  if (typeof value !== 'object' || value === null) return true;
  return Object.entries(value).every(
    ([name, member]) => holdsStorableText(name) && holdsStorableText(member),
  );
}

/** Whether an object in a JSON text holds a name twice. */
export function holdsRepeatedName(text: string): boolean {
  return countNames(text) !== countMembers(JSON.parse(text));
}

function countNames(text: string): number {
  return text.replace(/"(?:[^"\\]|\\.)*"/g, '').split(':').length - 1;
}

function countMembers(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  const own = Array.isArray(value) ? 0 : Object.keys(value).length;
  return Object.values(value).reduce<number>((sum, member) => sum + countMembers(member), own);
}
