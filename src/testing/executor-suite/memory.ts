// Memory that is shared or moved instead of copied.
import assert from "node:assert/strict";
import { transfer } from "../../task/transfer.ts";
import type { Case } from "./bench.ts";
import { addToShared, echo, firstAndLength, giveMoved } from "./tasks.ts";

export const memory: readonly Case[] = [
  [
    "shared memory passes by reference",
    async (bench) => {
      const executor = await bench.executor();
      const shared = new Int32Array(new SharedArrayBuffer(16));
      const inputs = Array.from({ length: 500 }, (): [Int32Array, number, number] => [shared, 1, 2]);
      await executor.starmap(addToShared, inputs);
      assert.equal(shared[1], 1000);
      const back = (await executor.submit(echo, shared)) as Int32Array;
      back[2] = 7;
      assert.equal(shared[2], 7);
    },
  ],
  [
    "moved memory is gone here",
    async (bench) => {
      const executor = await bench.executor();
      const numbers = new Float64Array(1000).fill(5);
      const future = executor.submit(firstAndLength, transfer(numbers));
      assert.equal(numbers.length, 0);
      assert.deepEqual(await future, [5, 1000]);
      const copied = new Float64Array(10).fill(6);
      assert.deepEqual(await executor.submit(firstAndLength, copied), [6, 10]);
      assert.equal(copied.length, 10);
    },
  ],
  [
    "a task can move its result",
    async (bench) => {
      const executor = await bench.executor();
      for (const length of [1, 1000, 100_000]) {
        const result = await executor.submit(giveMoved, length);
        assert.equal(result.length, length);
        assert.equal(result[length - 1], 3);
      }
      assert.equal((await executor.map(giveMoved, [1, 2, 3]))[2]?.length, 3);
    },
  ],
];
