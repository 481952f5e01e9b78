// What a uuid looks like.

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** Whether a text is a uuid, in either case, as `uuid::text` spells it. */
export function isUuid(text: string): boolean {
  return uuid.test(text);
}
