// Finds a TCP port for a server that cannot be told to take any.
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';

/**
 * A port on which nothing listens at the moment. It is below the range from which systems take ports for
 * outgoing connections, so that a server which restarts finds it free again.
 */
export async function findFreePort(host: string): Promise<number> {
  for (;;) {
    const port = randomInt(20_000, 30_000);
    const probe = createServer();
    try {
      probe.listen(port, host);
      await once(probe, 'listening');
      return port;
    } catch {
      // taken
    } finally {
      await new Promise((resolve) => probe.close(resolve));
    }
  }
}
