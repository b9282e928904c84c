-- One call of a quota, whole: Redis runs a script without anything between its lines.
--
-- KEYS[1]  the counter, a hash
-- KEYS[2]  what the caller's identifier was granted before, a hash; absent where it gave none
-- ARGV     1 "fixed" or "rolling"   2 limit   3 window   4 bucket   5 amount (negative: give back)
--          6 "1" if less is welcome   7 longest time that an identifier is remembered, 0: as long as the grant holds
--          8 now; empty: Redis's own clock
-- All times are microseconds, which a double holds exactly until the year 2255.
--
-- Returns {granted, microseconds that it holds, left, microseconds until more is}. What is given back is a negative amount;
-- a refusal holds 0. What was granted before is not counted again: then the first two are all.
-- Every key that is written gets a time to live, so nothing stays behind.

local counter, seen = KEYS[1], KEYS[2]
local limit, window, bucket = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local amount, best_effort, longest = tonumber(ARGV[5]), ARGV[6] == '1', tonumber(ARGV[7])
local now = tonumber(ARGV[8])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000000 + time[2]
end

local function expire(key, microseconds)
  redis.call('PEXPIRE', key, math.ceil(microseconds / 1000) + 1)
end

-- How much of `amount` fits into `room`.
local function fitting(room)
  if amount <= room then return amount end
  if best_effort and room > 0 then return room end
  return 0
end

-- A window that begins with its first grant.
local function fixed()
  local state = redis.call('HMGET', counter, 'used', 'until')
  local used, ends = tonumber(state[1]), tonumber(state[2])
  -- An end that is two windows away was written by a clock that has been put back since.
  local new = not ends or now >= ends or ends - now > 2 * window
  if new then
    used, ends = 0, now + window
  end
  local granted
  if amount < 0 then
    granted = -math.min(-amount, used)
  else
    granted = fitting(limit - used)
  end
  if granted ~= 0 then
    redis.call('HSET', counter, 'used', used + granted, 'until', ends)
    if new then expire(counter, window) end
  end
  used = used + granted
  return granted, granted > 0 and ends - now or 0, limit - used, used > 0 and ends - now or 0
end

-- A window that ends now. Grants of one bucket's time share a slot, and leave the window with the newest of them: never early.
-- Slot i: b<i> its first grant's time, e<i> its newest one's, n<i> how much. Slots first to last, oldest first.
local function rolling()
  local state = redis.call('HMGET', counter, 'used', 'first', 'last')
  local used, first, last = tonumber(state[1]) or 0, tonumber(state[2]) or 1, tonumber(state[3]) or 0
  local before = used
  local begun, newest, has, oldest
  if last >= first then
    local slots = redis.call('HMGET', counter, 'b' .. last, 'e' .. last, 'n' .. last, 'e' .. first, 'n' .. first)
    begun, newest, has = tonumber(slots[1]), tonumber(slots[2]), tonumber(slots[3])
    local holds = tonumber(slots[5])
    oldest = tonumber(slots[4])
    if newest - now > window then -- the clock has been put back
      redis.call('DEL', counter)
      used, before, first, last, newest = 0, 0, 1, 0, nil
    end
    while first <= last and oldest <= now - window do
      used = used - holds
      redis.call('HDEL', counter, 'b' .. first, 'e' .. first, 'n' .. first)
      first = first + 1
      if first <= last then
        local slot = redis.call('HMGET', counter, 'e' .. first, 'n' .. first)
        oldest, holds = tonumber(slot[1]), tonumber(slot[2])
      end
    end
  end

  local granted
  if amount < 0 then
    local left = -amount
    while left > 0 and last >= first do -- the newest first
      local held = tonumber(redis.call('HGET', counter, 'n' .. last))
      local given = math.min(held, left)
      left = left - given
      if given == held then
        redis.call('HDEL', counter, 'b' .. last, 'e' .. last, 'n' .. last)
        last = last - 1
      else
        redis.call('HSET', counter, 'n' .. last, held - given)
      end
    end
    granted = amount + left
  else
    granted = fitting(limit - used)
  end
  used = used + granted

  if granted > 0 then
    local at = math.max(now, newest or now) -- slots stay in order, whatever the clock does
    if last < first or at - begun >= bucket then
      last, begun, has = last + 1, at, 0
    end
    redis.call('HSET', counter, 'used', used, 'first', first, 'last', last,
      'b' .. last, begun, 'e' .. last, at, 'n' .. last, has + granted)
    expire(counter, at - now + window)
    if first == last then oldest = at end
  elseif used ~= before then
    redis.call('HSET', counter, 'used', used, 'first', first, 'last', last)
  end
  return granted, granted > 0 and window or 0, limit - used, used > 0 and oldest + window - now or 0
end

if seen then
  local known = redis.call('HMGET', seen, 'amount', 'until', 'known')
  local till = tonumber(known[3])
  if till and till > now then
    return {tonumber(known[1]), tonumber(known[2]) - now}
  end
end

local granted, holds, left, resets
if ARGV[1] == 'rolling' then
  granted, holds, left, resets = rolling()
else
  granted, holds, left, resets = fixed()
end

if seen and granted > 0 then
  local kept = longest > 0 and math.min(longest, holds) or holds
  redis.call('HSET', seen, 'amount', granted, 'until', now + holds, 'known', now + kept)
  expire(seen, kept)
end
return {granted, holds, math.max(0, left), math.max(0, resets)}
