// A made-up host's schema as it grew: what its version 1 backups are replayed under, release by release.
import { type ExportLine, type Upcaster, createUpcaster, RawJson } from '../../src/index.js';

/** Version 2 calls the title of a task `name`, in its values and in their times. */
function renameTitle(line: ExportLine): ExportLine {
  if (line.table !== 'tasks') return line;
  return {
    ...line,
    ...(line.data instanceof RawJson && { data: renamed(line.data) }),
    ...(line.fieldTimestamps instanceof RawJson && {
      fieldTimestamps: renamed(line.fieldTimestamps),
    }),
  };
}

function renamed(value: RawJson): RawJson {
  const members = [...value.members()].map(
    ([name, member]) => [name === 'title' ? 'name' : name, member] as const,
  );
  return RawJson.fromMembers(members);
}

/** Version 3 gives every inserted task a list. */
function addList(line: ExportLine): ExportLine {
  if (line.table !== 'tasks' || line.op !== 'insert' || !(line.data instanceof RawJson))
    return line;
  const members = line.data.members();
  return { ...line, data: RawJson.fromMembers(members.set('list', new RawJson('"inbox"'))) };
}

/** The upcaster of each later release. */
export const goldenUpcasters: Readonly<Record<2 | 3, Upcaster>> = {
  2: createUpcaster({ current: 2, steps: { 1: renameTitle } }),
  3: createUpcaster({ current: 3, steps: { 1: renameTitle, 2: addList } }),
};
