SELECT active_slot, pg_relation_size('audit.cdc_1'), pg_relation_size('audit.cdc_2'), pg_relation_size('audit.cdc_3')
FROM audit.installation
