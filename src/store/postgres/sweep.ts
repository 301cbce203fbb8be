// Keeping the busy tables flat. Every job that is claimed leaves a dead row behind, and a claim has to walk over the dead to
// the living. Autovacuum looks once a minute, which is 30 s too late on average, so whoever moves many jobs has them swept, at
// most every 2 s in all programs together. Where this user may not, it is left to autovacuum, and `info` says so.
import type { Runtime } from "../../core/runtime.ts";
import { Connection, longAnswerMs } from "./connection.ts";
import { busyTables } from "./health.ts";
import { clockSql } from "./migrate.ts";
import type { Place } from "./url.ts";
import { quoted } from "./text.ts";

const pauseMs = 2000;
const leastMoved = 5000;
const connectMs = 15_000;

/** Sweeps when enough rows were moved. */
export class Sweep {
  /** What keeps it from sweeping, for people. */
  problem: string | undefined;
  readonly #place: Place;
  readonly #runtime: Runtime;
  #moved = 0;
  #sweptAt = -Infinity;
  #connection: Connection | undefined;
  #running: Promise<void> | undefined;
  #isRefused = false;
  #closed = false;

  constructor(place: Place, runtime: Runtime) {
    this.#place = place;
    this.#runtime = runtime;
  }

  /** So many rows were taken from the busy tables. */
  count(rows: number): void {
    this.#moved += rows;
    if (this.#moved < leastMoved || this.#running || this.#isRefused || this.#closed) return;
    if (this.#runtime.elapsed() - this.#sweptAt < pauseMs) return;
    this.#moved = 0;
    this.#sweptAt = this.#runtime.elapsed();
    this.#running = this.#sweep().finally(() => {
      this.#running = undefined;
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#connection?.destroy();
    await this.#running;
  }

  async #sweep(): Promise<void> {
    try {
      this.#connection = this.#connection?.isLost === false ? this.#connection : await this.#open();
      if (this.#closed) return this.#connection.destroy();
      const schema = quoted(this.#place.schema);
      // Whoever writes the time has the turn; the others find that it is not up yet.
      const [turn] = await this.#connection.query(
        `UPDATE ${schema}.meta SET swept_at = ${clockSql} WHERE swept_at < ${clockSql} - ${pauseMs} RETURNING 1`,
      );
      if (!turn) return;
      const tables = busyTables.map((table) => `${schema}.${table}`).join(", ");
      await this.#connection.query(`VACUUM (TRUNCATE off, INDEX_CLEANUP on, SKIP_LOCKED) ${tables}`);
      if (!this.#isRefused) this.problem = undefined;
    } catch (error) {
      // The next turn tries again; until then the tables only grow.
      this.problem = `The busy tables could not be vacuumed: ${(error as Error).message}.`;
    }
  }

  async #open(): Promise<Connection> {
    const connection = await Connection.open(this.#place.connectionString, this.#runtime, connectMs, {
      onNotice: (message) => {
        if (!/owner|permission/.test(message)) return;
        this.#isRefused = true;
        this.problem =
          "This user may not vacuum the busy tables, so the rate falls under load. Let the tables' owner run a worker.";
      },
    });
    connection.limitMs = longAnswerMs;
    return connection;
  }
}
