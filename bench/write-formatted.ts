// Results are committed, and formatted like everything else that is.
import { writeFile } from 'node:fs/promises';
import { format, resolveConfig } from 'prettier';

/** Writes a text as the project's formatter would have it. */
export async function writeFormatted(file: string, text: string): Promise<void> {
  const config = await resolveConfig(file);
  await writeFile(file, await format(text, { ...config, filepath: file }));
}
