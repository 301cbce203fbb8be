// The Redis store against the model, two store objects on one name.
import { redisStore } from "../../../src/store/redis/store.ts";
import { givenRedis } from "../../servers/given.ts";
import { playModel } from "../model.ts";
import { namesOn } from "./names.ts";

const given = givenRedis();
const newUrl = "skip" in given ? undefined : namesOn(given.url);

playModel(
  "redis",
  async () => {
    const url = newUrl?.() ?? "";
    return [await redisStore(url), await redisStore(url)];
  },
  100,
  "skip" in given ? given.skip : false,
);
