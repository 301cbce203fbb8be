// The Redis store passes the store suite.
import { test } from "node:test";
import { redisStore } from "../../../src/store/redis/store.ts";
import { storeConformance } from "../../../src/testing/store-suite.ts";
import { givenRedis } from "../../servers/given.ts";
import { namesOn } from "./names.ts";

const given = givenRedis();
if ("skip" in given) test("the Redis store passes the store suite", { skip: given.skip });
else {
  const newUrl = namesOn(given.url);
  storeConformance("redis", () => redisStore(newUrl()));
}
