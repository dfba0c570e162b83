-- Who gets no marketing, whatever a rule says, and how addresses are told from one another.

-- An address as contact lists hold it; NULL where nothing can be sent to it. An e-mail is trimmed
-- and in lower case; of a phone number the digits are left, after a + where it names its country.
create function ops.contact_address(channel text, address text) returns text
language sql stable parallel safe
return case channel
    when 'email' then case
        when length(address) <= 254
            and lower(btrim(address, E' \t\r\n\f\v\u00a0\u200b\ufeff'))
            ~ '^[^[:space:][:cntrl:]@,;:<>()"\\]+@([^[:space:][:cntrl:]@,;:<>()"\\.]+\.)+[^[:space:][:cntrl:]@,;:<>()"\\.]{2,}$'
            then lower(btrim(address, E' \t\r\n\f\v\u00a0\u200b\ufeff'))
    end
    when 'sms' then case
        when translate(address, E' \t().-/\u00a0', '')
            ~ '^((\+|00)[1-9][0-9]{6,14}|0?[1-9][0-9]{6,13})$'
            then regexp_replace(translate(address, E' \t().-/\u00a0', ''), '^00', '+')
    end
end;

-- The SHA-256 of an address, by which addresses are compared: of an e-mail trimmed and in lower
-- case, of a phone number's digits without a leading + or 00. NULL where nothing is to compare.
create function ops.address_hash(address text) returns bytea
language sql stable parallel safe
return sha256(convert_to(
    case
        when address like '%@%' then lower(btrim(address, E' \t\r\n\f\v\u00a0\u200b\ufeff'))
        when address ~ '[0-9]'
            then regexp_replace(regexp_replace(address, '[^0-9]', '', 'g'), '^00', '')
    end,
    'UTF8'
));

-- One row per person or address that gets no marketing. Operators fill it; it works at once. No
-- address can be read from it: it holds a hash, or Shopify's id of the customer.
create table ops.suppressions (
    suppression_id bigint generated always as identity primary key,
    -- NULL: in every shop.
    shop_domain text,
    -- NULL: by every channel.
    channel text check (channel in ('email', 'sms')),
    -- As ops.address_hash gives it.
    address_hash bytea check (length(address_hash) = 32),
    -- All addresses of that customer of the shop.
    shopify_customer_id text,
    reason text not null check (reason ~ '\S'),
    added_at timestamptz not null default now(),
    check (num_nonnulls(address_hash, shopify_customer_id) = 1),
    check (shopify_customer_id is null or shop_domain is not null),
    unique nulls not distinct (shop_domain, channel, address_hash, shopify_customer_id)
);

create index on ops.suppressions (address_hash);
create index on ops.suppressions (shopify_customer_id);
