-- The new holder's row carries on where the last batch ended.
CREATE OR REPLACE TEMP TABLE taken AS {{head}};
DELETE FROM lake.eider.log WHERE consumer = {{consumer}} AND kind = 'epoch';
INSERT INTO lake.eider.log BY NAME
SELECT 'epoch' AS kind, {{consumer}} AS consumer, {{epoch}} AS epoch, batch, "cursor", now() AS committed_at,
       system_identifier, database, installation, {{eider_version}} AS eider_version
FROM taken
