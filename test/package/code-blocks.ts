// Code in prose, cut out so that a compiler can read it: fenced blocks of Markdown, and the
// @example blocks of TSDoc comments.

/** One fenced block. */
export interface CodeBlock {
  readonly language: 'ts' | 'js';
  /** The block, below as many empty lines as stand above it: errors name the line in the prose. */
  readonly code: string;
}

const LANGUAGES: Readonly<Record<string, CodeBlock['language']>> = {
  ts: 'ts',
  typescript: 'ts',
  js: 'js',
  javascript: 'js',
  mjs: 'js',
};

/**
 * Finds every fenced `ts` and `js` block of a Markdown text. There is no way to have one left out:
 * an info string changes nothing.
 */
export function codeBlocks(markdown: string): CodeBlock[] {
  const found: CodeBlock[] = [];
  const lines = markdown.split(/\r?\n/);
  for (let at = 0; at < lines.length; at++) {
    const fence = /^(\s*)(`{3,}|~{3,})\s*(\S*)/.exec(lines[at] ?? '');
    if (!fence) continue;
    const [, indent = '', marks = '', info = ''] = fence;
    let end = at + 1;
    while (end < lines.length && lines[end]?.trim() !== marks) end++;
    const language = LANGUAGES[info.toLowerCase()];
    if (language !== undefined) {
      const body = lines
        .slice(at + 1, end)
        .map((line) => (line.startsWith(indent) ? line.slice(indent.length) : line.trimStart()));
      found.push({ language, code: [...lines.slice(0, at + 1).map(() => ''), ...body].join('\n') });
    }
    at = end;
  }
  return found;
}

/** Finds the fenced blocks in the TSDoc comments of a TypeScript text. */
export function exampleBlocks(source: string): CodeBlock[] {
  const prose = source.split(/\r?\n/).map((line) => /^\s*\*(?: (.*)|)$/.exec(line)?.[1] ?? '');
  return codeBlocks(prose.join('\n'));
}
